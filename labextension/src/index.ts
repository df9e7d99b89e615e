/** The JupyterLab extension. */

import { moves } from "./plugins/moves";
import { plugin } from "./plugins/plugin";

export default [plugin, moves];
