/** The field that finds tasks by name or state: what matches stands out, Enter goes to the next, Escape ends it. */

import type { TaskView } from "../protocol";
import { lookOf } from "../words";
import { html, write } from "./elements";

export class Search {
  readonly root = html("span", "milepost-search", "", { role: "search" });
  private readonly field = html("input", "", "", {
    type: "search",
    placeholder: "Find a task",
    "aria-label": "Find a task by name or state; Enter goes to the next",
    spellcheck: "false",
    autocomplete: "off"
  });
  private readonly count = html("span", "milepost-found", "", { role: "status", "aria-live": "polite" });
  private found: string[] = [];
  private at = -1;

  /** `onMark` hears what matches (null: nothing is looked for) and which of it is the current one. */
  constructor(
    private readonly tasks: () => Iterable<TaskView>,
    private readonly onMark: (names: ReadonlySet<string> | null, current?: string) => void
  ) {
    this.root.append(this.field, this.count);
    this.field.addEventListener("input", () => {
      this.look();
    });
    this.field.addEventListener("keydown", event => {
      this.onKey(event);
    });
  }

  focus(): void {
    this.field.focus();
    this.field.select();
  }

  get text(): string {
    return this.field.value;
  }

  set text(text: string) {
    this.field.value = text;
    this.look();
  }

  /** States have changed: what matches may be other tasks now. */
  refresh(): void {
    if (this.field.value !== "" && this.find().join("\n") !== this.found.join("\n")) {
      const current = this.found[this.at];
      this.found = this.find();
      this.at = current === undefined ? -1 : this.found.indexOf(current);
      this.tell();
    }
  }

  private look(): void {
    this.found = this.find();
    this.at = -1;
    this.tell();
  }

  private find(): string[] {
    const words = this.field.value.trim().toLowerCase();
    const matches = (task: TaskView): boolean =>
      task.name.toLowerCase().includes(words) || lookOf(task).word.startsWith(words);
    return words === "" ? [] : [...this.tasks()].filter(matches).map(task => task.name);
  }

  private tell(): void {
    const idle = this.field.value.trim() === "";
    const place = this.at < 0 ? "" : `${this.at + 1} of `;
    write(this.count, idle ? "" : this.found.length === 0 ? "none" : `${place}${this.found.length}`);
    this.onMark(idle ? null : new Set(this.found), this.found[this.at]);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === "Enter" && this.found.length > 0) {
      const step = event.shiftKey ? -1 : 1;
      this.at = this.at < 0 && step < 0 ? this.found.length - 1 : (this.at + step + this.found.length) % this.found.length;
      this.tell();
    } else if (event.key === "Escape" && this.field.value !== "") {
      this.field.value = "";
      this.look();
    } else if (event.key !== "Enter") {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}
