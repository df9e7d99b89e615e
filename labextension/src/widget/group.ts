/** The tasks that a box stands for: those that need a look first, each a button that opens its sheet. */

import { html } from "../drawing/elements";
import type { TaskView } from "../protocol";
import { lookOf, shorten, visible } from "../words";

const MOST = 200;
const FIRST = ["failure", "in-doubt", "untrusted", "running", "paused", "stale", "cancelled", "skipped", "pending", "ready"];

export class GroupView {
  readonly panel = html("section", "milepost-group", "", { "aria-label": "the tasks of the chosen group" });
  private said = "";

  constructor(private readonly onChoose: (name: string) => void) {
    this.panel.hidden = true;
  }

  show(tasks: TaskView[]): void {
    this.panel.hidden = tasks.length === 0;
    const rank = (task: TaskView): number => (FIRST.indexOf(task.state) + FIRST.length + 1) % (FIRST.length + 1);
    const shown = [...tasks].sort((a, b) => rank(a) - rank(b)).slice(0, MOST);
    const said = shown.map(task => `${task.name}\n${task.state}\n${String(task.restored)}`).join("\n");
    if (said === this.said) {
      return;
    }
    this.said = said;
    const list = html("ul");
    list.append(...shown.map(task => this.row(task)));
    const left = tasks.length - shown.length;
    const more = left > 0 ? `and ${left.toLocaleString()} more: find one by its name above` : "";
    this.panel.replaceChildren(html("h4", "", `${tasks.length.toLocaleString()} tasks`), list, html("p", "", more));
  }

  private row(task: TaskView): HTMLElement {
    const { symbol, word } = lookOf(task);
    const row = html("li");
    const open = html("button", "", `${symbol} ${shorten(visible(task.name), 80)}: ${word}`, { type: "button" });
    open.addEventListener("click", () => {
      this.onChoose(task.name);
    });
    row.append(open);
    return row;
  }
}
