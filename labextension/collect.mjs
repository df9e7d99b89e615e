// Moves the built extension beside install.json, which is kept in git so that the folder exists before any build.
import { cpSync, rmSync } from "node:fs";

for (const old of ["static", "schemas"]) {
  rmSync(`prebuilt/${old}`, { recursive: true, force: true });
}
cpSync("dist", "prebuilt", { recursive: true });
rmSync("dist", { recursive: true });
