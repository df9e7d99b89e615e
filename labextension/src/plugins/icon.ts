/** A milestone. */

import { LabIcon } from "@jupyterlab/ui-components";

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
<path class="jp-icon3" fill="#616161" d="M12 2a6 6 0 0 0-6 6v11H4v2h16v-2h-2V8a6 6 0 0 0-6-6zm-4 6a4 4 0 0 1 8 0v11H8z"/>
<path class="jp-icon3" fill="#616161" d="M10.9 15.6 8.9 13.500l1-1 1 1 3.2-3.200 1 1z"/>
</svg>`;

export const icon = new LabIcon({ name: "milepost:icon", svgstr: SVG });
