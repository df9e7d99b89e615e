/** What one widget's page knows of the tasks: the whole once, then what the kernel says is new. One for all its views. */

import type { Setup } from "../drawing/explorer";
import type { Layout, Reply, RunView, StateMessage, TaskView } from "../protocol";
import type { AnyModel } from "./control";

const stores = new Map<string, Store>();

export class Store {
  readonly tasks = new Map<string, TaskView>();
  run: RunView = {};
  layout: Layout | null = null;
  /** How far the kernel's clock is ahead of this page's, in seconds. */
  clock = 0;
  /** Has the kernel say everything again, where a message was lost; set by who can ask it. */
  ask: (() => Promise<Reply>) | null = null;
  /** What a person has set up in the last view that was closed. */
  left: { chosen: string | null; tab: string; explorer: Setup } | null = null;
  private seq = 0;
  private now = 0;
  private readonly listeners = new Set<() => void>();
  private asking = false;

  private constructor(private readonly model: AnyModel) {
    model.on("change:graph", () => {
      this.layout = this.drawn();
      this.tell();
    });
    model.on("change:whole", () => {
      this.take(model.get("whole") as StateMessage);
    });
    model.on("msg:custom", (content: { news?: StateMessage } | undefined) => {
      if (content?.news) {
        this.take(content.news);
      }
    });
    this.layout = this.drawn();
    this.take(model.get("whole") as StateMessage);
  }

  static of(model: AnyModel): Store {
    const token = String(model.get("token"));
    const found = stores.get(token) ?? new Store(model);
    stores.set(token, found);
    return found;
  }

  /** The page of this model is closed. */
  static forget(model: AnyModel): void {
    stores.delete(String(model.get("token")));
  }

  /** Be told of news; what it returns ends that. */
  listen(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private take(message: StateMessage): void {
    const { seq, now = 0, tasks, changed, gone, run } = message;
    if (now < this.now || (changed && seq !== undefined && seq <= this.seq)) {
      return; // of before what is known already
    }
    const lost = changed && seq !== undefined && seq !== this.seq + 1;
    this.seq = seq ?? this.seq;
    this.now = now;
    this.clock = now - Date.now() / 1000;
    if (tasks) {
      this.tasks.clear();
    }
    for (const name of gone ?? []) {
      this.tasks.delete(name);
    }
    for (const task of tasks ?? changed ?? []) {
      this.tasks.set(task.name, task);
    }
    this.run = run ?? this.run;
    this.tell();
    if (lost) {
      void this.catchUp();
    }
  }

  private async catchUp(): Promise<void> {
    if (this.ask && !this.asking) {
      this.asking = true;
      const { tasks, run, now } = await this.ask().catch((): Reply => ({ status: "error" }));
      this.asking = false;
      if (tasks && run && now !== undefined) {
        this.take({ tasks, run, now });
      }
    }
  }

  private drawn(): Layout | null {
    const graph = this.model.get("graph") as Partial<Layout>;
    return graph.nodes ? (graph as Layout) : null;
  }

  private tell(): void {
    for (const listener of this.listeners) {
      listener();
    }
  }
}
