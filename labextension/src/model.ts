/** What a page knows about the tasks of one kernel, and what follows from it. No DOM, no JupyterLab. */

import { isEdited } from "./code";
import type { Layout, RunView, StateMessage, TaskView } from "./protocol";
import { asSaved } from "./summary";

/** Which buttons apply, and what the Pause button says. */
export interface Buttons {
  pause: boolean;
  resume: boolean;
  cancel: boolean;
  pauseLabel: string;
}

export function buttons(run: RunView, gone: boolean): Buttons {
  const busy = Boolean(run.running) || Boolean(run.pausing) || Boolean(run.paused);
  const held = Boolean(run.pausing) || Boolean(run.paused);
  const free = !gone && !run.cancelling;
  return {
    pause: free && Boolean(run.running) && !held,
    resume: free && held,
    cancel: free && busy,
    pauseLabel: run.paused ? "Paused" : run.pausing ? "Pausing…" : "Pause"
  };
}

/** The name that a cell's first line gives: "" for a task without one, null for a cell that is no task. */
export function taskName(source: string): string | null {
  const line = source.trimStart().split("\n", 1)[0] ?? "";
  const match = /^%%task(?:[ \t]+(.*))?$/.exec(line);
  if (!match) {
    return null;
  }
  const words = (match[1] ?? "").trim();
  const quoted = /^(["'])(.*?)\1(?=\s|$)/.exec(words);
  const first = words.split(/\s+/)[0] ?? "";
  return quoted?.[2] ?? (first.startsWith("-") ? "" : first);
}

const STALE = ["pending", "ready", "stale", "failure", "cancelled", "skipped"];

/** Whether running its cell would bring a task up to date; what waits in the background runs by itself. */
export function isStale(task: TaskView | undefined): boolean {
  return !task || (STALE.includes(task.state) && !task.background);
}

/** The tasks of one kernel; empty and unknown until it tells. */
export class Tasks {
  known = false;
  run: RunView = {};
  graph: Layout | null = null;
  byName = new Map<string, TaskView>();
  private sources: Record<string, string> = {};
  private clockOffset = 0;
  private byCell = new Map<string, TaskView>();

  apply(message: StateMessage): void {
    if (message.run) {
      this.run = message.run;
    }
    if (message.now !== undefined) {
      this.clockOffset = message.now - Date.now() / 1000;
    }
    this.graph = message.graph ?? this.graph;
    this.sources = message.sources ?? this.sources;
    if (message.tasks) {
      this.known = true;
      this.byName = new Map(message.tasks.map(task => [task.name, task]));
      this.byCell = new Map(message.tasks.filter(task => task.cell_id).map(task => [task.cell_id, task]));
    }
    for (const name of message.gone ?? []) {
      const cell = this.byName.get(name)?.cell_id ?? "";
      this.byName.delete(name);
      this.byCell.delete(cell);
    }
    for (const task of message.changed ?? []) {
      this.known = true;
      this.byName.set(task.name, task);
      if (task.cell_id) {
        this.byCell.set(task.cell_id, task);
      }
    }
  }

  /** The kernel is gone: of what it told, that is left which is saved. */
  keepSaved(): void {
    this.assume({ tasks: [...this.byName.values()].map(asSaved).filter(task => task !== null), run: {} });
  }

  /** What is taken to be so until a kernel tells. */
  assume(message: StateMessage): void {
    this.apply(message);
    this.known = false;
  }

  /** The kernel's clock, by which running tasks have started (Unix seconds). */
  get now(): number {
    return Date.now() / 1000 + this.clockOffset;
  }

  get running(): boolean {
    return [...this.byName.values()].some(task => task.state === "running");
  }

  /** The task of a cell: by the name it gives (names are unique), else by the cell's id. */
  find(cellId: string, name: string): TaskView | undefined {
    const named = this.byName.get(name);
    const expanded = name.includes("{") || name.includes("$");
    return named ?? (name === "" || expanded ? this.byCell.get(cellId) : undefined);
  }

  /** A task as its cell reads now: what was edited since is stale before anything runs. */
  asEdited(task: TaskView, source: string): TaskView {
    const then = Object.hasOwn(this.sources, task.name) ? this.sources[task.name] : undefined;
    if (task.state !== "success" || then === undefined || !isEdited(then, source)) {
      return task;
    }
    const details = task.why ? [`before: ${task.why.text}`] : [];
    return { ...task, state: "stale", restored: false, why: { kind: "edited", text: EDITED, details } };
  }
}

const EDITED = "its cell was edited since; run it to bring it up to date";
