/** The JupyterLab extension. */

import { plugin } from "./plugins/plugin";

export default [plugin];
