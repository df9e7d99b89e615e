/** The totals of the current notebook in the status bar; a click opens the panel. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { IStatusBar } from "@jupyterlab/statusbar";
import { Signal } from "@lumino/signaling";
import { Widget } from "@lumino/widgets";

import type { Books } from "./book";
import { PANEL } from "./panel";
import { totals } from "./totals";

export function addStatus(app: JupyterFrontEnd, books: Books, bar: IStatusBar): void {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "milepost-status";
  button.title = "Tasks of this notebook: click for the graph";
  button.addEventListener("click", () => {
    app.shell.activateById(PANEL);
  });
  const item = new Widget({ node: button });
  const changed = new Signal<Widget, undefined>(item);
  books.changed.connect(() => {
    const words = books.current?.taskCells.length ? totals(books.current) : "";
    if (button.textContent !== words) {
      button.textContent = words;
      changed.emit(undefined);
    }
  });
  bar.registerStatusItem("milepost:status", {
    item,
    align: "left",
    rank: 20,
    isActive: () => button.textContent !== "",
    activeStateChanged: changed
  });
}
