/** What is known about the chosen task, as a small definition list. */

import type { TaskView } from "../protocol";
import { duration, lookOf, shorten, size } from "../words";

const LONG = 4000;

export function showDetails(panel: HTMLElement, task: TaskView | undefined): void {
  panel.hidden = !task;
  if (!task) {
    return;
  }
  const heading = node("h4", shorten(task.name, 300));
  const list = document.createElement("dl");
  for (const [term, value] of rows(task)) {
    if (value) {
      list.append(node("dt", term), node("dd", shorten(value, LONG)));
    }
  }
  panel.replaceChildren(heading, list);
}

function rows(task: TaskView): [string, string][] {
  const saved = task.saved ? [size(task.bytes), task.saved_at ?? ""].filter(Boolean).join(", ") : "";
  const spent = task.seconds === null ? "" : duration(task.seconds);
  return [
    ["State", lookOf(task).word],
    ["Why", [task.why?.text ?? "", ...(task.why?.details ?? [])].filter(Boolean).join("\n")],
    ["Error", task.error ?? ""],
    [task.restored ? "Time saved" : "Time", spent],
    ["Saved", saved],
    ["Outputs", task.outputs.join(", ")],
    ["After", task.after.join(", ")]
  ];
}

function node(tag: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  return made;
}
