/** Above a notebook: that its kernel is gone or has not run yet, and one click that restores what is saved. */

import type { ISessionContextDialogs } from "@jupyterlab/apputils";
import { Widget } from "@lumino/widgets";

import { button, html, write } from "../drawing/elements";
import { duration } from "../words";
import type { Book } from "./book";
import { cellsToRestore, restorable, runCells } from "./run";
import { told } from "./told";

const CAUSES = {
  opened: "What this notebook computed before is saved.",
  restarted: "The kernel was restarted: its variables are gone.",
  died: "The kernel died: its variables are gone."
};

export class Offer extends Widget {
  private readonly words = html("span", "milepost-offer-words", "", { role: "status" });
  private readonly restore: HTMLButtonElement;
  private dismissed: unknown = null;

  constructor(
    private readonly book: Book,
    private readonly dialogs: ISessionContextDialogs
  ) {
    super();
    this.addClass("milepost-offer");
    this.restore = button("milepost-restore", "", "", () => void told(this.accept()));
    const close = button("milepost-dismiss", "×", "Dismiss", () => {
      this.dismissed = this.book.loss;
      this.refresh();
    });
    this.node.append(this.words, this.restore, close);
    this.hide();
    book.changed.connect(this.refresh);
  }

  /** Runs the cells whose tasks are saved, and what they need. */
  async accept(): Promise<void> {
    this.dismissed = this.book.loss;
    this.refresh();
    await runCells(this.book, cellsToRestore(this.book), this.dialogs);
  }

  /** What has not ended, in words. */
  private get open(): string {
    const { tasks, shown } = this.book;
    const within = [...shown.values()].filter(task => ["paused", "pending"].includes(task.state) && task.progress);
    const names = within.map(({ name, progress }) => `${name} (${progress ?? ""})`).join(", ");
    const goesOn = names && `Ended in the middle, and ${within.length === 1 ? "goes" : "go"} on when run: ${names}.`;
    return [goesOn, tasks.run.paused ? "The run is paused." : ""].filter(Boolean).join(" ");
  }

  private readonly refresh = (): void => {
    if (this.isDisposed) {
      return;
    }
    const { loss } = this.book;
    const found = loss ? restorable(this.book) : [];
    const nothing = found.length === 0 && loss?.cause !== "died" && this.open === "";
    this.setHidden(loss === null || this.dismissed === loss || nothing);
    if (loss) {
      const seconds = found.reduce((sum, { task }) => sum + (task?.seconds ?? 0), 0);
      const label = `Restore ${found.length} ${found.length === 1 ? "task" : "tasks"} (saves ${duration(seconds)})`;
      const cause = found.length > 0 || loss.cause !== "opened" ? CAUSES[loss.cause] : "";
      const none = found.length === 0 && loss.cause !== "opened" ? "No task is saved." : "";
      write(this.words, [cause, none, this.open].filter(Boolean).join(" "));
      write(this.restore, label);
      this.restore.setAttribute("aria-label", label);
      this.restore.title = "Run the cells of these tasks, which gives back what is saved, and the plain cells before them";
      this.restore.hidden = found.length === 0;
    }
  };
}
