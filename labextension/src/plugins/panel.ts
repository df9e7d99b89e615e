/** The graph of the current notebook beside it: a click leads to the cell, the selected cell is marked in the graph. */

import type { JupyterFrontEnd } from "@jupyterlab/application";
import type { INotebookTracker } from "@jupyterlab/notebook";
import { Widget } from "@lumino/widgets";

import { html, write } from "../drawing/elements";
import { Explorer } from "../drawing/explorer";
import { isDark, onTheme } from "../drawing/theme";
import type { Layout, TaskView } from "../protocol";
import type { Book, Books } from "./book";
import { icon } from "./icon";
import { totals } from "./totals";

export const PANEL = "milepost-panel";
const NO_NOTEBOOK = "Open a notebook with %%task cells: its tasks are shown here.";

export function addPanel(app: JupyterFrontEnd, books: Books, tracker: INotebookTracker): void {
  const panel = new Panel(books, names => {
    if (books.current) {
      void showCell(books.current, names);
    }
  });
  const mark = (): void => {
    const cell = tracker.activeCell;
    panel.choose((cell && books.current?.read(cell)?.task?.name) ?? null);
  };
  books.changed.connect((_, book) => {
    if (book === books.current || book === null) {
      panel.update();
      mark();
    }
  });
  tracker.activeCellChanged.connect(mark);
  onTheme(() => {
    panel.update();
  });
  app.shell.add(panel, "right", { rank: 850 });
}

/** Selects the cell of a task, or of the first of several, and scrolls to it; a task that a function is has none. */
async function showCell(book: Book, names: string[]): Promise<void> {
  const found = book.taskCells.find(({ task }) => task && names.includes(task.name));
  const { content } = book.panel;
  if (found) {
    content.deselectAll();
    content.activeCellIndex = content.widgets.indexOf(found.cell);
    await content.scrollToCell(found.cell, "center");
  }
}

class Panel extends Widget {
  private readonly heading = html("div", "milepost-panel-heading");
  private readonly said = html("div", "milepost-panel-totals", "", { role: "status" });
  private readonly explorer: Explorer;
  private chosen: string | null = null;
  private drawn: Layout | null = null;

  constructor(
    private readonly books: Books,
    onChoose: (names: string[]) => void
  ) {
    super();
    this.id = PANEL;
    this.addClass(PANEL);
    this.title.icon = icon;
    this.title.caption = "Tasks (Milepost)";
    this.node.setAttribute("role", "region");
    this.node.setAttribute("aria-label", "tasks of the current notebook");
    this.explorer = new Explorer(name => {
      onChoose([name, ...this.explorer.members(name)]);
    });
    this.node.append(this.heading, this.said, this.explorer.root);
  }

  choose(name: string | null): void {
    if (name !== this.chosen) {
      this.chosen = name;
      this.explorer.choose(name);
      this.reveal();
    }
  }

  protected override onUpdateRequest(): void {
    this.paint();
  }

  protected override onAfterShow(): void {
    this.paint();
    this.reveal();
  }

  private reveal(): void {
    if (this.chosen !== null && this.isVisible) {
      this.explorer.reveal(this.chosen);
    }
  }

  private paint(): void {
    if (!this.isVisible) {
      return;
    }
    const book = this.books.current;
    const graph = book?.tasks.graph ?? null;
    write(this.heading, book?.panel.title.label ?? "");
    write(this.said, book?.taskCells.length ? totals(book) : NO_NOTEBOOK);
    if (graph !== this.drawn) {
      this.drawn = graph;
      this.explorer.draw(graph ?? { width: 0, height: 0, nodes: [], edges: [] });
    }
    this.explorer.paint(book?.shown ?? new Map<string, TaskView>(), isDark(), book?.tasks.now ?? 0);
  }
}
