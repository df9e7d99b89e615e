/** Durations, sizes and states in words; twins of words.py in the Python package. */

import type { TaskView } from "./protocol";
import { LOOKS, type Look } from "./states";

export function duration(seconds: number): string {
  if (seconds < 0.9995) {
    return `${(Math.max(0, seconds) * 1000).toFixed(0)} ms`;
  }
  if (seconds < 9.95) {
    return `${seconds.toFixed(1)} s`;
  }
  if (seconds < 99.5) {
    return `${seconds.toFixed(0)} s`;
  }
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function size(bytes: number): string {
  if (bytes < 1000) {
    return `${bytes} B`;
  }
  const units = ["kB", "MB", "GB", "TB"];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : value.toFixed(0)} ${units[unit] ?? ""}`;
}

const UNKNOWN: Look = {
  word: "task",
  symbol: "◇",
  light: { fill: "#f2f3f5", line: "#51666f" },
  dark: { fill: "#2b2e33", line: "#aebac0" }
};

/** How a task's state is said and drawn; of no task: unknown. */
export function lookOf(task: TaskView | undefined): Look {
  if (!task) {
    return UNKNOWN;
  }
  return LOOKS[stateKey(task)] ?? { ...UNKNOWN, word: task.state };
}

/** The state, with what a success came from: `restored`, or `saved` by an earlier kernel and not loaded yet. */
export function stateKey(task: TaskView | undefined): string {
  if (task?.state !== "success") {
    return task?.state ?? "";
  }
  return task.restored ? "restored" : task.why?.kind === "saved" ? "saved" : "success";
}

/** The time beside the state, ticking while it runs; `now` is the kernel's clock in Unix seconds. */
export function timeWords(task: TaskView, now: number): string {
  if (task.state === "running" && task.started !== null) {
    return running(Math.max(0, now - task.started));
  }
  if (task.seconds === null) {
    return "";
  }
  return task.restored ? `saved ${duration(task.seconds)}` : duration(task.seconds);
}

function running(seconds: number): string {
  const whole = Math.floor(seconds);
  return whole < 60 ? `${whole} s` : whole < 3600 ? `${Math.floor(whole / 60)} min ${whole % 60} s` : duration(whole);
}

/** How far a task has come, from 0 to 1, where what it says of it has numbers: `3/10`, `3 of 10`, `30 %`. */
export function fraction(progress: string): number | null {
  const of = /(\d+(?:\.\d+)?)\s*(?:\/|of)\s*(\d+(?:\.\d+)?)/.exec(progress.slice(0, 200));
  const percent = /(\d+(?:\.\d+)?)\s*%/.exec(progress.slice(0, 200));
  const found = of ? Number(of[1]) / Number(of[2]) : percent ? Number(percent[1]) / 100 : NaN;
  return Number.isFinite(found) ? Math.max(0, Math.min(1, found)) : null;
}

/** What goes from one task to another along an arrow: names, or the result of a function, or nothing but order. */
export function flow(source: TaskView | undefined, target: TaskView | undefined): string {
  const read = new Set(target?.inputs ?? []);
  const names = source?.outputs.filter(name => read.has(name)) ?? [];
  if (source && names.length > 0) {
    const more = names.length > 12 ? ` and ${names.length - 12} more` : "";
    return `${names.slice(0, 12).map(name => shorten(name, 60)).join(", ")}${more}`;
  }
  return source && read.has(source.name) ? "its result" : "nothing: only the order";
}

/** On one line, with what is not to be seen, or turns the text around, made visible. */
export function visible(text: string): string {
  return text.replace(/[\n\t]/g, " ").replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, "\ufffd");
}

export function shorten(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
