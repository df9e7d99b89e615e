/** The live widget: header with buttons, graph, details. Bundled for anywidget. */

import { Explorer } from "../drawing/explorer";
import { html, write } from "../drawing/elements";
import { Tabs } from "../drawing/tabs";
import { isDark, onTheme } from "../drawing/theme";
import { Timeline } from "../drawing/timeline";
import { buttons } from "../model";
import type { Action, Reply, RequestContent, RunView } from "../protocol";
import { type AnyModel, Control } from "./control";
import { GroupView } from "./group";
import { SheetView } from "./sheet";
import { Store } from "./store";

const GONE = "The kernel is gone – run %tasks again.";


/** Milliseconds for which words can be read. */
const READ = 8000;

/** How long what a reply has said counts where the kernel tells of no change (ms). */
const HEARD = 2000;

class View {
  private readonly root = html("div", "milepost");
  private readonly totals = html("span", "milepost-totals");
  private readonly news = html("div", "milepost-news");
  private readonly start = html("button", "milepost-run", "Run", {
    type: "button",
    title: "Run all tasks in their order; what is saved and valid is given back"
  });
  private readonly pause = this.button("pause", "Pause", "Pause: stop at the next safe place");
  private readonly resume = this.button("resume", "Resume", "Resume the paused run");
  private readonly cancel = this.button("cancel", "Cancel", "Cancel the run");
  private readonly explorer = new Explorer(name => {
    this.choose(name);
  });
  private readonly timeline = new Timeline(name => {
    this.choose(name);
  });
  private readonly tabs = new Tabs({ Graph: this.explorer.root, Timeline: this.timeline.root }, () => {
    this.paint();
  });
  private readonly control: Control;
  private readonly sheet: SheetView;
  private readonly group = new GroupView(name => {
    this.choose(name);
    this.explorer.reveal(name);
  });
  private readonly endTheme = onTheme(() => {
    this.paint();
  });
  private readonly ticker = setInterval(() => {
    this.tick();
  }, 1000);
  private readonly store: Store;
  private readonly endStore: () => void;
  private drawnGraph: unknown = null;
  private frame = 0;
  private chosen: string | null;
  private said: RunView = {};
  private saidEnd = 0;
  /** What the last click came to, in words, and what takes them away. */
  private words = "";
  /** What the kernel last said by itself. */
  private told = "";
  private wordsEnd = 0;
  /** What is said where there is no kernel; "" while there is one. */
  private gone = "";
  private runs = 0;

  constructor(
    private readonly model: AnyModel,
    el: HTMLElement
  ) {
    const header = html("div", "milepost-header");
    const group = html("div", "milepost-buttons");
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", "run control");
    this.start.addEventListener("click", () => {
      void this.carryOut({});
    });
    group.append(this.start, this.pause, this.resume, this.cancel);
    header.append(group, this.totals);
    this.root.dataset.lmSuppressShortcuts = "true"; // JupyterLab's would take Enter and Escape
    this.root.addEventListener("keydown", event => {
      if (event.key === "Escape" && this.chosen !== null) {
        this.close();
        event.stopPropagation();
      }
    });
    this.news.setAttribute("role", "status");
    this.news.setAttribute("aria-live", "polite");
    this.control = new Control(
      model,
      () => {
        this.lose();
      },
      words => {
        this.speak(words);
      }
    );
    this.sheet = new SheetView({
      ask: content => this.control.ask(content),
      run: content => {
        void this.carryOut(content);
      },
      tell: words => {
        this.speak(words);
      },
      close: () => {
        this.close();
      },
      tasks: () => this.store.tasks
    });
    const body = html("div", "milepost-body");
    body.append(this.explorer.root, this.timeline.root, this.group.panel, this.sheet.panel);
    header.append(this.tabs.root);
    this.root.append(header, body, this.news);
    el.append(this.root);
    this.store = Store.of(model);
    this.store.ask = () => this.control.ask({ action: "state" });
    this.endStore = this.store.listen(() => {
      this.schedule();
    });
    this.gone = this.absent;
    this.chosen = this.store.left?.chosen ?? null;
    this.explorer.choose(this.chosen);
    this.timeline.choose(this.chosen);
    this.update();
    this.takeUp();
    void this.control.ask({ action: "ping" }).catch(() => undefined);
  }

  dispose(): void {
    this.store.left = { chosen: this.chosen, tab: this.tabs.title, explorer: this.explorer.setup };
    clearInterval(this.ticker);
    this.endTheme();
    this.sheet.dispose();
    this.explorer.dispose();
    this.control.dispose();
    this.endStore();
    clearTimeout(this.wordsEnd);
    clearTimeout(this.saidEnd);
    cancelAnimationFrame(this.frame);
  }

  /** Go on from the last view: the notebook shows the widget anew whenever the pictures beside it are renewed. */
  private takeUp(): void {
    const { left } = this.store;
    if (left) {
      this.explorer.setup = left.explorer;
      this.tabs.title = left.tab;
      this.paint();
    }
  }

  /** Many changes, one repaint. */
  private schedule(): void {
    this.gone = this.absent;
    this.said = {};
    if (this.store.run.message && this.store.run.message !== this.told) {
      this.words = ""; // what came of it
    }
    this.told = this.store.run.message ?? "";
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.update();
    });
  }

  private update(): void {
    const { layout } = this.store;
    if (layout && layout !== this.drawnGraph) {
      this.drawnGraph = layout;
      this.explorer.draw(layout);
    }
    this.paint();
  }

  private get absent(): string {
    const said = this.model.get("absent");
    return typeof said === "string" ? said : "";
  }

  /** The kernel's clock, in Unix seconds. */
  private get now(): number {
    return Date.now() / 1000 + this.store.clock;
  }

  private paint(): void {
    const run = this.run;
    const dark = isDark();
    this.root.dataset.theme = dark ? "dark" : "light";
    this.root.classList.toggle("milepost-gone", this.gone === GONE);
    this.paintTasks(dark);
    const { pause, resume, cancel, pauseLabel } = buttons(run, this.gone !== "");
    this.start.disabled = this.gone !== "" || this.runs > 0 || this.store.tasks.size === 0;
    this.pause.disabled = !pause;
    this.resume.disabled = !resume;
    this.cancel.disabled = !cancel;
    label(this.pause, pauseLabel);
    label(this.cancel, run.cancelling ? "Cancelling…" : "Cancel");
    write(this.totals, run.totals ?? "");
    write(this.news, this.gone || this.words || (run.message ?? ""));
    const members = this.chosen === null ? [] : this.explorer.members(this.chosen);
    this.group.show(members.map(name => this.store.tasks.get(name)).filter(task => task !== undefined));
    this.sheet.show(this.chosen === null ? undefined : this.store.tasks.get(this.chosen));
  }

  private paintTasks(dark: boolean): void {
    const shown = this.timeline.root.hidden ? this.explorer : this.timeline;
    shown.paint(this.store.tasks, dark, this.now);
  }

  /** What the kernel last sent, with what it acknowledged since. */
  private get run(): RunView {
    return { ...this.store.run, ...this.said };
  }

  private tick(): void {
    if (this.gone === "" && [...this.store.tasks.values()].some(task => task.state === "running")) {
      this.paintTasks(isDark());
    }
  }

  private choose(name: string): void {
    this.chosen = this.chosen === name ? null : name;
    this.explorer.choose(this.chosen);
    this.timeline.choose(this.chosen);
    this.paint();
    requestAnimationFrame(() => {
      requestAnimationFrame(() => {
        this.keepInView(); // the sheet beside the graph has taken some of its room by then
      });
    });
  }

  private keepInView(): void {
    if (this.chosen !== null && this.timeline.root.hidden) {
      this.explorer.reveal(this.chosen);
    }
  }

  /** The keyboard goes back to where it came from. */
  private close(): void {
    const { chosen } = this;
    if (chosen !== null) {
      this.choose(chosen);
      if (this.timeline.root.hidden) {
        this.explorer.focus(chosen);
      }
    }
  }

  /** A task, or all: as if their cells were run. */
  private async carryOut(content: Omit<RequestContent, "action">): Promise<void> {
    this.runs += 1;
    this.paint();
    try {
      const { reply, ended } = await this.control.run({ ...content, action: "run" }, this.root, text => {
        this.sheet.hear(text);
      });
      if (reply.status !== "ok") {
        this.speak(reply.message ?? "Run was refused");
      } else if (reply.message) {
        this.speak(`run: ${reply.message}`);
      }
      await ended.catch(() => undefined);
    } catch {
      this.lose();
    }
    this.runs -= 1;
    this.paint();
  }

  /** Words stay until they can be read, whatever the kernel sends meanwhile. */
  private speak(words: string): void {
    this.words = words;
    clearTimeout(this.wordsEnd);
    this.wordsEnd = window.setTimeout(() => {
      this.words = "";
      this.paint();
    }, READ);
    this.paint();
  }

  private async act(action: Action): Promise<void> {
    try {
      this.acknowledge(action, await this.control.ask({ action }));
    } catch {
      this.lose();
    }
  }

  private acknowledge(action: Action, reply: Reply): void {
    this.words = "";
    if (reply.status !== "ok") {
      this.speak(reply.message ?? `${action} was refused`);
    } else if (action === "pause") {
      this.said = { pausing: !this.run.paused };
    } else if (action === "resume") {
      this.said = { pausing: false, paused: false };
    } else if (action === "cancel") {
      this.said = { cancelling: true };
    }
    this.paint();
    clearTimeout(this.saidEnd);
    this.saidEnd = window.setTimeout(() => {
      this.said = {}; // where nothing has changed, the kernel has nothing to say
      this.paint();
    }, HEARD);
  }

  private lose(): void {
    this.gone = this.absent || GONE;
    this.paint();
  }

  private button(action: Action, label: string, help: string): HTMLButtonElement {
    const made = document.createElement("button");
    made.type = "button";
    made.className = `milepost-${action}`;
    made.textContent = label;
    made.title = help;
    made.setAttribute("aria-label", label);
    made.addEventListener("click", () => void this.act(action));
    return made;
  }
}

function label(button: HTMLButtonElement, text: string): void {
  write(button, text);
  button.setAttribute("aria-label", text);
}

export default {
  initialize({ model }: { model: AnyModel }): void {
    Store.of(model); // what comes before the first view is drawn counts, too
  },
  render({ model, el }: { model: AnyModel; el: HTMLElement }): () => void {
    const view = new View(model, el);
    return () => {
      view.dispose();
    };
  }
};
