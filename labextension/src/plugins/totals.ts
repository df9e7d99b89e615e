/** How many tasks of a notebook are in which state, in words. */

import { stateKey } from "../words";
import type { Book } from "./book";

/** In this order; what has another state comes last, by its own word. */
const WORDS: Record<string, string> = {
  restored: "restored",
  saved: "saved",
  success: "done",
  running: "running",
  paused: "paused",
  stale: "stale",
  failure: "failed",
  "in-doubt": "in doubt",
  untrusted: "untrusted",
  unknown: "not run"
};

/** As `7 restored; 1 running; 2 stale`. */
export function totals(book: Book): string {
  const counts = new Map(Object.keys(WORDS).map(key => [key, 0]));
  const add = (key: string): void => {
    counts.set(key, (counts.get(key) ?? 0) + 1);
  };
  for (const task of book.shown.values()) {
    add(stateKey(task));
  }
  for (const { task } of book.taskCells) {
    if (!task) {
      add("unknown");
    }
  }
  return [...counts].filter(([, count]) => count > 0).map(([key, count]) => `${count} ${WORDS[key] ?? key}`).join("; ");
}
