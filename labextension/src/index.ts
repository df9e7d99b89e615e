/** The JupyterLab extension. */

import { badges } from "./plugins/badges";

export default [badges];
