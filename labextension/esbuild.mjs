// Bundles the widget (no JupyterLab imports) into the Python package, small enough to travel with each model.
import { build } from "esbuild";

await build({
  entryPoints: [
    { in: "src/widget/index.ts", out: "widget" },
    { in: "style/widget.css", out: "widget" }
  ],
  outdir: "../kernel_lib/milepost/widget/static",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  logLevel: "info"
});
