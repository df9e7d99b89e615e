/** The sheet beside the graph: all that is known of the chosen task, and what can be done with it. */

import { button, html, write } from "../drawing/elements";
import type { Reply, RequestContent, Sheet, TaskView, Version } from "../protocol";
import { duration, flow, lookOf, shorten, size, visible } from "../words";
import { LogView, readable } from "./log";

const LONG = 4000;
const STOPPABLE = ["running", "paused", "pending"];
const DONE = ["success", "stale"];

/** What a sheet needs of the widget around it. */
export interface Desk {
  ask(content: RequestContent): Promise<Reply>;
  run(content: Omit<RequestContent, "action">): void;
  tell(message: string): void;
  close(): void;
  tasks(): ReadonlyMap<string, TaskView>;
}

export class SheetView {
  readonly panel = html("section", "milepost-details", "", { "aria-label": "the chosen task" });
  private readonly symbol = html("span", "milepost-mark", "", { "aria-hidden": "true" });
  private readonly heading = html("h4");
  private readonly actions = html("div", "milepost-actions", "", { role: "group", "aria-label": "actions" });
  private readonly buttons: Record<string, HTMLButtonElement>;
  private readonly list = html("dl");
  private readonly error = new Section("Error", true);
  private readonly code = new Section("Code");
  private readonly inputs = new Section("Inputs");
  private readonly outputs = new Section("Outputs");
  private readonly shown = new Section("What its cell showed");
  private readonly history = new Section("History");
  private readonly ran = new Section("What the run showed", true);
  private readonly log: LogView;
  private task: TaskView | undefined;
  private sheet: Sheet | undefined;
  private asked = "";
  /** The task that the kernel was asked to cancel, and said that it will. */
  private cancelling = "";

  constructor(private readonly desk: Desk) {
    this.log = new LogView(content => desk.ask(content));
    this.buttons = {
      run: this.action("Run", "Run this task, or give back what is saved of it", () => {
        this.run(false);
      }),
      needs: this.action("Run with all it needs", "Run what this task needs, where it is not valid, and then the task", () => {
        this.run(true);
      }),
      cancel: this.action("Cancel this task", "Cancel this task", () => void this.ask("cancel")),
      forget: this.action("Forget", "Drop what is saved of this task", () => void this.ask("forget")),
      trust: this.action("Trust", "Trust what another user saved of this task: from then on it may be loaded", () => {
        void this.ask("trust");
      }),
      done: this.action("It is done", "It has had its effect: it does not run again, and what needs it goes on", () => {
        void this.ask("done");
      }),
      rerun: this.action("It may run again", "It has had no effect: it runs when its cell runs next, with the same key", () => {
        void this.ask("rerun");
      })
    };
    this.buttons.cancel?.classList.add("milepost-cancel-task");
    this.actions.append(...Object.values(this.buttons));
    const head = html("div", "milepost-head");
    head.append(
      this.symbol,
      this.heading,
      button("milepost-close", "×", "Close (Escape)", () => {
        desk.close();
      })
    );
    const sections = [this.ran, this.error, this.code, this.inputs, this.outputs, this.shown, this.history];
    this.panel.append(head, this.actions, this.list, this.log.panel, ...sections.map(section => section.root));
    this.show(undefined);
  }

  show(task: TaskView | undefined): void {
    const other = task?.name !== this.task?.name;
    this.task = task;
    this.panel.hidden = !task;
    this.log.show(task);
    if (other) {
      this.sheet = undefined;
      this.asked = "";
      this.ran.text("");
    }
    if (task) {
      this.paint(task);
      void this.load(task);
    }
  }

  /** What a run that was started here shows, as it comes. */
  hear(text: string): void {
    this.ran.text(readable(this.ran.said + text).slice(-65536));
  }

  dispose(): void {
    this.log.show(undefined);
  }

  private paint(task: TaskView): void {
    write(this.heading, shorten(visible(task.name), 300));
    write(this.symbol, lookOf(task).symbol);
    const rows = facts(task, this.sheet).filter(([, value]) => value);
    const said = rows.flat().join("\n");
    if (this.list.dataset.said !== said) {
      this.list.dataset.said = said;
      this.list.replaceChildren(
        ...rows.flatMap(([term, value]) => [html("dt", "", term), html("dd", "", shorten(value, LONG))])
      );
    }
    this.offer(task);
  }

  private offer(task: TaskView): void {
    const runs = (task.background && STOPPABLE.includes(task.state)) || ["running", "paused"].includes(task.state);
    const busy = runs && task.why?.kind !== "elsewhere";
    const can = new Set(this.sheet?.can ?? []);
    const { run, needs, cancel, forget, trust, done, rerun } = this.buttons;
    if (run && needs && cancel && forget && trust && done && rerun) {
      run.hidden = needs.hidden = !can.has("run") || busy;
      write(run, DONE.includes(task.state) ? "Run again" : "Run");
      needs.hidden ||= task.after.length === 0;
      cancel.hidden = !busy;
      this.cancelling = busy ? this.cancelling : "";
      cancel.disabled = this.cancelling === task.name;
      write(cancel, cancel.disabled ? "Cancelling…" : "Cancel this task");
      forget.hidden = !can.has("forget") || busy;
      trust.hidden = !can.has("trust");
      done.hidden = !can.has("done");
      rerun.hidden = !can.has("rerun");
    }
    this.actions.hidden = Object.values(this.buttons).every(each => each.hidden);
  }

  /** Asks for all of it anew whenever what is known from here says that it has changed. */
  private async load(task: TaskView): Promise<void> {
    const { name, state, saved_at, saved, error, restored, durable } = task;
    const asked = JSON.stringify([name, state, saved_at, saved, error, restored, durable]);
    if (asked === this.asked) {
      return;
    }
    this.asked = asked;
    const reply = await this.desk.ask({ action: "sheet", task: name }).catch(() => undefined);
    if (reply?.sheet && asked === this.asked && this.task) {
      this.sheet = reply.sheet;
      this.fill(reply.sheet);
      this.paint(this.task);
    }
  }

  private fill(sheet: Sheet): void {
    const tasks = this.desk.tasks();
    this.error.text(readable(sheet.traceback));
    this.code.text(readable(sheet.code));
    this.inputs.rows(
      sheet.inputs.map(({ name, kind, source, text }) => {
        const from = source ? `from ${source}${flow(tasks.get(source), sheet.task) === "its result" ? ", its result" : ""}` : kind;
        return [name, [from, text].filter(Boolean).join(": ")];
      })
    );
    this.outputs.rows(
      sheet.outputs.map(({ name, type, text, unsaved }) => [
        name,
        [text || (type ? `${type}, not loaded` : ""), unsaved && `not saved: ${unsaved}`].filter(Boolean).join("; ")
      ])
    );
    this.shown.text(readable(sheet.shown));
    this.history.rows(sheet.history.map(version => [when(version.saved_at), told(version)]));
  }

  private run(needs: boolean): void {
    if (this.task) {
      this.ran.text("");
      const force = !needs && DONE.includes(this.task.state);
      this.desk.run({ task: this.task.name, needs, force });
    }
  }

  private async ask(action: "cancel" | "forget" | "trust" | "done" | "rerun"): Promise<void> {
    const task = this.task?.name;
    if (task !== undefined) {
      const reply = await this.desk.ask({ action, task }).catch(() => undefined);
      const words = reply ? (reply.message ?? "") : "the kernel does not answer";
      this.desk.tell(words && reply?.status === "ok" ? `${action}: ${words}` : words);
      this.cancelling = action === "cancel" && reply?.status === "ok" ? task : this.cancelling;
      this.asked = "";
      this.show(this.task);
    }
  }

  private action(text: string, help: string, act: () => void): HTMLButtonElement {
    const made = button("", text, help, act);
    made.removeAttribute("aria-label");
    return made;
  }
}

/** A part of the sheet that opens and closes; gone while it has nothing to say. */
class Section {
  readonly root = html("details", "milepost-section");
  private readonly body = html("div");
  said = "";

  constructor(title: string, open = false) {
    this.root.dataset.part = title;
    this.root.open = open;
    this.root.hidden = true;
    this.root.append(html("summary", "", title), this.body);
  }

  text(said: string): void {
    if (said !== this.said) {
      this.said = said;
      this.body.replaceChildren(html("pre", "", said, { tabindex: 0 }));
    }
    this.root.hidden = said === "";
  }

  rows(rows: [string, string][]): void {
    const said = JSON.stringify(rows);
    if (said !== this.said) {
      this.said = said;
      const list = html("dl");
      list.append(
        ...rows.flatMap(([term, value]) => [
          html("dt", "", shorten(visible(term), 120)),
          html("dd", "", shorten(readable(value), LONG))
        ])
      );
      this.body.replaceChildren(list);
    }
    this.root.hidden = rows.length === 0;
  }
}

function facts(task: TaskView, sheet: Sheet | undefined): [string, string][] {
  const bytes = task.saved ? [size(task.bytes), task.durable ? "" : "not safe from power loss yet"] : [];
  const why = [task.why?.text ?? "", ...(task.why?.details ?? [])].filter(Boolean).join("\n");
  return [
    ["State", lookOf(task).word + (task.background ? ", in the background" : "")],
    ["Progress", readable(task.progress ?? "")],
    ["Why", readable(why)],
    ["Error", readable(task.error ?? "")],
    [task.restored ? "Time saved" : "Time", task.seconds === null ? "" : duration(task.seconds)],
    ["Saved", task.saved ? [...bytes, when(task.saved_at ?? "")].filter(Boolean).join(", ") : ""],
    ["Memory", sheet?.peak_bytes ? `${size(sheet.peak_bytes)} at most` : ""],
    ["After", task.after.map(name => shorten(visible(name), 60)).join(", ")]
  ];
}

function told({ seconds, bytes, why, trusted }: Version): string {
  const parts = [duration(seconds), size(bytes), trusted ? "" : "another user's, not trusted"];
  return `${parts.filter(Boolean).join(", ")}${why ? `: ${readable(why)}` : ""}`;
}

/** A time of the kernel, as this page's user writes times. */
function when(iso: string): string {
  const time = new Date(iso);
  return Number.isNaN(time.getTime()) ? visible(iso) : time.toLocaleString();
}
