/** A badge on every task cell of every notebook, kept up to date. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from "@jupyterlab/application";
import { INotebookTracker, type NotebookPanel } from "@jupyterlab/notebook";

import { isDark, onTheme } from "../drawing/theme";
import { Tasks, taskName } from "../model";
import type { StateMessage } from "../protocol";
import { paintBadge } from "./badge";
import { showPictures } from "./leftover";
import { Link, type Listener } from "./link";

class NotebookBadges implements Listener {
  private readonly tasks = new Tasks();
  private readonly link: Link;
  private readonly endTheme: () => void;
  private readonly ticker: ReturnType<typeof setInterval>;
  private frame = 0;

  constructor(private readonly panel: NotebookPanel) {
    this.link = new Link(panel.context, this);
    this.endTheme = onTheme(this.schedule);
    this.ticker = setInterval(() => {
      if (this.tasks.running) {
        this.schedule();
      }
    }, 1000);
    panel.content.modelChanged.connect(this.schedule);
    panel.content.modelContentChanged.connect(this.schedule);
    panel.disposed.connect(() => {
      this.dispose();
    });
    void panel.revealed.then(this.schedule);
  }

  hear(message: StateMessage): void {
    this.tasks.apply(message);
    this.schedule();
  }

  forget(): void {
    this.tasks.forget();
    this.schedule();
  }

  private dispose(): void {
    this.link.dispose();
    this.endTheme();
    clearInterval(this.ticker);
    cancelAnimationFrame(this.frame);
  }

  /** Many changes, one repaint. */
  private readonly schedule = (): void => {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.paint();
    });
  };

  private paint(): void {
    const dark = isDark();
    for (const cell of this.panel.content.widgets) {
      const { id, type, sharedModel } = cell.model;
      const name = type === "code" ? taskName(sharedModel.getSource()) : null;
      const header = cell.node.querySelector(":scope > .jp-CellHeader");
      if (header) {
        paintBadge(header, name, name === null ? undefined : this.tasks.find(id, name), dark);
      } else if (name !== null) {
        void cell.ready.then(this.schedule);
      }
    }
  }
}

export const badges: JupyterFrontEndPlugin<void> = {
  id: "milepost:badges",
  description: "Shows on each task cell what its checkpoint says.",
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_: JupyterFrontEnd, tracker: INotebookTracker) => {
    const seen = new WeakSet<NotebookPanel>();
    const add = (panel: NotebookPanel): void => {
      if (!seen.has(panel)) {
        seen.add(panel);
        new NotebookBadges(panel);
        void showPictures(panel).catch(() => undefined);
      }
    };
    tracker.widgetAdded.connect((_sender, panel) => {
      add(panel);
    });
    tracker.forEach(add);
  }
};
