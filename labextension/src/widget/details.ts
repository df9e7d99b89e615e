/** What is known about the chosen task: a small definition list, what it printed in the background, and its Cancel. */

import type { Reply, RequestContent, TaskView } from "../protocol";
import { duration, lookOf, shorten, size } from "../words";
import { LogView } from "./log";

const LONG = 4000;
const STOPPABLE = ["running", "paused", "pending"];

export class Details {
  readonly panel = make("div", "milepost-details");
  private readonly heading = make("h4", "");
  private readonly cancel = make("button", "milepost-cancel-task") as HTMLButtonElement;
  private readonly list = make("dl", "");
  private readonly log: LogView;
  private task: TaskView | undefined;

  constructor(ask: (content: RequestContent) => Promise<Reply>) {
    this.log = new LogView(ask);
    this.cancel.type = "button";
    this.cancel.textContent = "Cancel this task";
    this.cancel.addEventListener("click", () => {
      if (this.task) {
        void ask({ action: "cancel", task: this.task.name }).catch(() => undefined);
      }
    });
    this.panel.append(this.heading, this.cancel, this.list, this.log.panel);
    this.show(undefined);
  }

  show(task: TaskView | undefined): void {
    this.task = task;
    this.panel.hidden = !task;
    this.log.show(task);
    if (!task) {
      return;
    }
    this.heading.textContent = shorten(task.name, 300);
    this.cancel.hidden = !task.background || !STOPPABLE.includes(task.state);
    const shown = rows(task).filter(([, value]) => value);
    this.list.replaceChildren(...shown.flatMap(([term, value]) => [node("dt", term), node("dd", shorten(value, LONG))]));
  }

  dispose(): void {
    this.log.show(undefined);
  }
}

function rows(task: TaskView): [string, string][] {
  const saved = task.saved ? [size(task.bytes), task.saved_at ?? ""].filter(Boolean).join(", ") : "";
  const spent = task.seconds === null ? "" : duration(task.seconds);
  return [
    ["State", lookOf(task).word + (task.background ? ", in the background" : "")],
    ["Why", [task.why?.text ?? "", ...(task.why?.details ?? [])].filter(Boolean).join("\n")],
    ["Error", task.error ?? ""],
    [task.restored ? "Time saved" : "Time", spent],
    ["Saved", saved],
    ["Outputs", task.outputs.join(", ")],
    ["After", task.after.join(", ")]
  ];
}

function make(tag: string, className: string): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  return made;
}

function node(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
