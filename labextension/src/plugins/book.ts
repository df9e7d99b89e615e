/** The open notebooks, and what is known of the tasks of each. */

import type { Cell } from "@jupyterlab/cells";
import { type INotebookTracker, type Notebook, NotebookActions, type NotebookPanel } from "@jupyterlab/notebook";
import type { Contents } from "@jupyterlab/services";
import { Token } from "@lumino/coreutils";
import { type ISignal, Signal } from "@lumino/signaling";

import { Tasks, taskName } from "../model";
import { type ControlKernel, type Reply, request, type RequestContent, type StateMessage, type TaskView } from "../protocol";
import type { LiveKernel } from "../widget/control";
import { stateKey } from "../words";
import { type Cause, Link, type Listener } from "./link";
import { savedTasks } from "./store";
import { told } from "./told";

/** How long a busy kernel may take to answer (ms). */
const PATIENCE = 4000;

/** A cell that is a task; `task` is what is known of it. */
export interface TaskCell {
  cell: Cell;
  name: string;
  task: TaskView | undefined;
}

export interface Loss {
  cause: Cause | "opened";
}

/** One open notebook. */
export class Book implements Listener {
  readonly tasks = new Tasks();
  /** What became of the values that were computed before; null where nothing is known to have been. */
  loss: Loss | null = null;
  /** Ids of the cells that were seen to run in this kernel. */
  readonly ran = new Set<string>();
  private readonly link: Link;
  private readonly signal = new Signal<this, undefined>(this);
  private contents: Contents.IManager | null = null;
  private frame = 0;
  private tasksOfCells: TaskCell[] | null = null;

  constructor(readonly panel: NotebookPanel) {
    this.link = new Link(panel.context, this);
    NotebookActions.executed.connect(this.onExecuted);
    panel.content.modelChanged.connect(this.schedule);
    panel.content.modelContentChanged.connect(this.schedule);
    panel.disposed.connect(() => {
      this.link.dispose();
      NotebookActions.executed.disconnect(this.onExecuted);
      cancelAnimationFrame(this.frame);
      Signal.clearData(this);
    });
    void panel.revealed.then(this.schedule);
  }

  /** Something that people see has changed: many changes, one signal. */
  get changed(): ISignal<this, undefined> {
    return this.signal;
  }

  /** Whether the kernel has Milepost loaded. */
  get live(): boolean {
    return this.link.open;
  }

  /** The connection over which to ask. */
  get kernel(): ControlKernel | null {
    return this.link.kernel;
  }

  /** What there is to ask, to run code and to hear of its state: only the first may go by a line of its own. */
  get liveKernel(): LiveKernel | null {
    const { kernel, own } = this.link;
    if (!kernel || !own) {
      return null;
    }
    const line = {
      clientId: kernel.clientId,
      sendControlMessage: kernel.sendControlMessage.bind(kernel),
      requestExecute: own.requestExecute.bind(own),
      statusChanged: own.statusChanged
    };
    return line as unknown as LiveKernel; // as much as a view knows of JupyterLab's
  }

  private readonly onExecuted = (_: unknown, { notebook, cell }: { notebook: Notebook; cell: Cell }): void => {
    if (notebook === this.panel.content) {
      this.ran.add(cell.model.id);
    }
  };

  readonly schedule = (): void => {
    this.tasksOfCells = null;
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      this.signal.emit(undefined);
    });
  };

  hear(message: StateMessage): void {
    this.tasks.apply(message);
    if ([...(message.tasks ?? []), ...(message.changed ?? [])].some(task => stateKey(task) !== "saved")) {
      this.loss = null;
    }
    this.schedule();
  }

  move(was: string, now: string): void {
    void told(this.ask({ action: "move", was, now }));
  }

  /** What was saved is still there. */
  lose(cause: Cause): void {
    this.ran.clear();
    if (this.tasks.known) {
      this.tasks.keepSaved();
      this.loss = { cause };
      void this.lookAtOpen();
    } else if (cause === "died" && this.loss?.cause === "restarted") {
      this.loss = { cause }; // a kernel that died is told to restart first, then to have done so by itself
    }
    this.schedule();
  }

  /** Before a kernel tells: what the store says. */
  async look(contents: Contents.IManager): Promise<void> {
    await this.panel.context.ready;
    this.contents = contents;
    const saved = this.taskCells.length > 0 ? await savedTasks(contents, this.panel.context.path) : null;
    if (saved && !this.tasks.known) {
      this.tasks.assume(saved);
      this.loss ??= { cause: "opened" };
      this.schedule();
    }
  }

  /** The kernel is gone: what had not ended is in the store, too. */
  private async lookAtOpen(): Promise<void> {
    const saved = this.contents && (await savedTasks(this.contents, this.panel.context.path));
    if (saved && !this.tasks.known) {
      const changed = saved.tasks?.filter(({ name, state }) => state !== "success" && !this.tasks.byName.has(name)) ?? [];
      this.tasks.assume({ changed, ...(saved.run ? { run: saved.run } : {}) });
      this.schedule();
    }
  }

  /** The cell with an id, else the selected one. */
  cell(id?: string): TaskCell | null {
    const { widgets, activeCell } = this.panel.content;
    const cell = id === undefined ? activeCell : widgets.find(({ model }) => model.id === id);
    return cell ? this.read(cell) : null;
  }

  /** The code cells, in order. */
  get codeCells(): Cell[] {
    return this.panel.content.widgets.filter(cell => cell.model.type === "code");
  }

  /** The cells that are tasks, in order; read once for each change, as many ask. */
  get taskCells(): TaskCell[] {
    this.tasksOfCells ??= this.codeCells.map(cell => this.read(cell)).filter(found => found !== null);
    return this.tasksOfCells;
  }

  /** A cell as a task; null where it is none. */
  read(cell: Cell): TaskCell | null {
    const { id, type, sharedModel } = cell.model;
    const source = type === "code" ? sharedModel.getSource() : "";
    const name = taskName(source);
    const task = name === null ? undefined : this.tasks.find(id, name);
    return name === null ? null : { cell, name, task: task && this.tasks.asEdited(task, source) };
  }

  /** All tasks, by name, as their cells read now. */
  get shown(): Map<string, TaskView> {
    const edited = this.taskCells.map(({ task }) => task).filter(task => task !== undefined);
    return new Map([...this.tasks.byName, ...edited.map(task => [task.name, task] as const)]);
  }

  /** Whether nothing has run in the kernel yet. */
  async isFresh(): Promise<boolean> {
    const kernel = this.panel.sessionContext.session?.kernel;
    const reply = await kernel?.requestExecute({ code: "", silent: true }).done;
    return reply?.content.execution_count === 0;
  }

  /** Asks the kernel, also while a cell runs. */
  async ask(content: RequestContent): Promise<Reply> {
    const { kernel } = this;
    if (!kernel) {
      throw new Error("there is no kernel");
    }
    const reply = await request(kernel, content, PATIENCE);
    if (reply.status !== "ok") {
      throw new Error(reply.message ?? `${content.action} was refused`);
    }
    return reply;
  }
}

export const IBooks = new Token<Books>("milepost:IBooks", "The open notebooks, and what is known of their tasks.");

/** All open notebooks. */
export class Books {
  private readonly books = new Map<NotebookPanel, Book>();
  private readonly signal = new Signal<this, Book | null>(this);

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly onOpen: (book: Book) => void
  ) {
    tracker.widgetAdded.connect((_, panel) => {
      this.add(panel);
    });
    tracker.forEach(panel => {
      this.add(panel);
    });
    tracker.currentChanged.connect(() => {
      this.signal.emit(this.current);
    });
  }

  /** One of them has changed, or another is the current one. */
  get changed(): ISignal<this, Book | null> {
    return this.signal;
  }

  /** The notebook that commands are about. */
  get current(): Book | null {
    const panel = this.tracker.currentWidget;
    return (panel && this.books.get(panel)) ?? null;
  }

  get all(): Book[] {
    return [...this.books.values()];
  }

  private add(panel: NotebookPanel): void {
    if (this.books.has(panel)) {
      return;
    }
    const book = new Book(panel);
    this.books.set(panel, book);
    book.changed.connect(() => {
      this.signal.emit(book);
    });
    this.onOpen(book);
    panel.disposed.connect(() => {
      this.books.delete(panel);
      this.signal.emit(null);
    });
  }
}
