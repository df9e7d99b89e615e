/** What a task printed in the background: asked for while it is looked at, and for as long as there is more to come. */

import type { Reply, RequestContent, TaskView } from "../protocol";

const INTERVAL = 500;
const KEPT = 65536;

const COLOURS = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[ -/]*[@-~]`, "g");

/** What is not to be seen, or turns the text around: made visible, but for ends of lines and what joins emoji. */
const HIDDEN = /(?![\n\r\t\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;

export class LogView {
  readonly panel = document.createElement("pre");
  private task: TaskView | undefined;
  private name: string | null = null;
  private due = false;
  private live = false;
  private following = false;
  private run: number | null = null;
  private text = "";
  private end = 0;

  constructor(private readonly ask: (content: RequestContent) => Promise<Reply>) {
    this.panel.className = "milepost-log";
    this.panel.tabIndex = 0;
    this.panel.setAttribute("role", "log");
    this.panel.setAttribute("aria-label", "what the task printed");
    this.panel.hidden = true;
  }

  /** Follow this task from now on; nothing, if it has no log. */
  show(task: TaskView | undefined): void {
    const name = task?.log ? task.name : null;
    if (name !== this.name) {
      this.name = name;
      this.forget();
      this.paint();
    }
    this.live = task?.background ?? false;
    if (task !== this.task) {
      this.task = task;
      this.due = true; // a run may have come and gone within one piece of news
      void this.follow();
    }
  }

  /** While the task runs, and once after whatever is new of it. */
  private async follow(): Promise<void> {
    if (this.following) {
      return;
    }
    this.following = true;
    for (let there = true; there && this.name !== null && (this.due || this.live); ) {
      there = await this.catchUp(this.name);
    }
    this.following = false;
  }

  /** False where the kernel does not answer. */
  private async catchUp(name: string): Promise<boolean> {
    const from = this.end;
    this.due = false;
    const reply = await this.ask({ action: "log", task: name, from }).catch(() => undefined);
    if (name !== this.name || from !== this.end) {
      this.due = true; // another task was looked at meanwhile
      return true;
    }
    if (reply?.log && !this.take(reply.log)) {
      this.due = true;
      return true;
    }
    await new Promise(resolve => setTimeout(resolve, INTERVAL));
    return reply !== undefined || this.due;
  }

  /** Add what is new; false where this is of another run than the last answer, whose beginning is to be asked for. */
  private take({ run, start, text }: { run: number; start: number; text: string }): boolean {
    if (run !== this.run && this.end > 0) {
      this.forget();
      return false;
    }
    const gap = start > this.end ? "…\n" : "";
    this.text = (this.text + gap + text).slice(-KEPT);
    this.run = run;
    this.end = start + Array.from(text).length; // characters, not UTF-16 units
    this.paint();
    return true;
  }

  private forget(): void {
    this.run = null;
    this.text = "";
    this.end = 0;
  }

  private paint(): void {
    const { panel } = this;
    const shown = readable(this.text);
    if (panel.textContent !== shown) {
      const atEnd = panel.scrollHeight - panel.scrollTop - panel.clientHeight < 8;
      panel.hidden = shown === "";
      panel.textContent = shown;
      if (atEnd) {
        panel.scrollTop = panel.scrollHeight;
      }
    }
  }
}

/** Text as a terminal would show it, roughly: without colours, and a line written over shows its last state. */
export function readable(text: string): string {
  return text
    .replace(COLOURS, "")
    .replace(HIDDEN, "\ufffd")
    .split("\n")
    .map(line => line.replace(/\r+$/, ""))
    .map(line => line.slice(line.lastIndexOf("\r") + 1))
    .join("\n");
}
