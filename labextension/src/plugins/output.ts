/**
 * What `%tasks` shows in a notebook: the widget's view, fed by the notebook's own line to its kernel. So it is there
 * at once after a reload though a cell runs (the models of widgets come only once it has ended), goes on with the next
 * kernel, shows what is saved before there is one, and is not made anew when the pictures beside it are.
 */

import type { Notebook } from "@jupyterlab/notebook";
import { Widget } from "@lumino/widgets";

import { uniqueId } from "../protocol";
import view from "../widget";
import type { AnyModel } from "../widget/control";
import { Store } from "../widget/store";
import type { Book } from "./book";

const MIME = "application/vnd.milepost.tasks+json";
/** Before views of widgets, whose rank is -10. */
const RANK = -20;

type Registry = Notebook["rendermime"];
type Renderer = ReturnType<Parameters<Registry["addFactory"]>[0]["createRenderer"]>;
type MimeModel = Parameters<Renderer["renderModel"]>[0];

/** From now on, this notebook's outputs of `%tasks` are drawn here. */
export function drawOutputs(book: Book): void {
  const { rendermime } = book.panel.content;
  const model = new BookModel(book);
  const createRenderer = (): TasksOutput => new TasksOutput(book, model, rendermime);
  rendermime.addFactory({ safe: true, mimeTypes: [MIME], createRenderer }, RANK);
}

/** One output: the live view once something is known of tasks, until then its picture. */
class TasksOutput extends Widget implements Renderer {
  private picture: Renderer | null = null;
  private endView: (() => void) | null = null;

  constructor(
    private readonly book: Book,
    private readonly model: AnyModel,
    private readonly rendermime: Registry
  ) {
    super();
    this.addClass("milepost-output");
    book.changed.connect(this.refresh);
    book.panel.sessionContext.kernelChanged.connect(this.renew);
  }

  async renderModel(mime: MimeModel): Promise<void> {
    this.refresh();
    if (!this.endView) {
      this.picture?.dispose();
      this.picture = this.rendermime.createRenderer("text/html");
      this.node.replaceChildren(this.picture.node);
      await this.picture.renderModel(mime);
    }
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.book.changed.disconnect(this.refresh);
      this.book.panel.sessionContext.kernelChanged.disconnect(this.renew);
      this.endView?.();
      this.picture?.dispose();
      super.dispose();
    }
  }

  private readonly refresh = (): void => {
    const { live, tasks } = this.book;
    if (!this.endView && (live || tasks.byName.size > 0)) {
      this.node.replaceChildren();
      this.endView = view.render({ model: this.model, el: this.node });
    }
  };

  /** A view speaks to one kernel. */
  private readonly renew = (): void => {
    this.endView?.();
    this.endView = null;
    this.refresh();
  };
}

/** What a notebook knows of its tasks, in the place of the widget's model. */
class BookModel implements AnyModel {
  private readonly token = uniqueId();
  private now = 0;
  private readonly slots = new Map<string, Set<() => void>>();

  constructor(private readonly book: Book) {
    book.changed.connect(() => {
      this.emit("change:graph");
      this.emit("change:whole");
    });
    book.panel.disposed.connect(() => {
      Store.forget(this);
    });
  }

  get widget_manager(): AnyModel["widget_manager"] {
    return { kernel: this.book.liveKernel };
  }

  get(key: string): unknown {
    const { tasks, shown } = this.book;
    this.now = Math.max(this.now, tasks.now); // what is from before is dropped, and messages travel unequally long
    return {
      token: this.token,
      graph: tasks.graph ?? {},
      whole: { tasks: [...shown.values()], run: tasks.run, now: this.now },
      absent: this.absent
    }[key];
  }

  set(): void {
    // nothing is set from here
  }

  on(event: string, slot: () => void): void {
    this.slots.set(event, (this.slots.get(event) ?? new Set()).add(slot));
  }

  off(event: string, slot: () => void): void {
    this.slots.get(event)?.delete(slot);
  }

  send(): void {
    throw new Error("there is no kernel");
  }

  /** Why there is nobody to ask; "" where there is. */
  private get absent(): string {
    const { live, loss } = this.book;
    const gone = loss && loss.cause !== "opened";
    return live ? "" : `${gone ? "The kernel is gone" : "No kernel has these tasks yet"}: what is saved is shown.`;
  }

  private emit(event: string): void {
    for (const slot of this.slots.get(event) ?? []) {
      slot();
    }
  }
}
