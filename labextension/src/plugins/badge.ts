/** The badge of one task cell: symbol, word, time, size; the rest in its tooltip. */

import { html, write } from "../drawing/elements";
import type { TaskView } from "../protocol";
import { duration, lookOf, shorten, size, stateKey, timeWords } from "../words";

const CLASS = "milepost-badge";

/** Draws (or removes, for a cell that is no task) the badge in a cell's header; `open` opens its menu. */
export function paintBadge(
  header: Element,
  found: { name: string; task: TaskView | undefined } | null,
  setting: { dark: boolean; now: number },
  open: (badge: HTMLElement) => void
): void {
  header.classList.toggle("milepost-badged", found !== null);
  const old = header.querySelector<HTMLElement>(`.${CLASS}`);
  if (found === null) {
    old?.remove();
    return;
  }
  const { name, task } = found;
  const badge = old ?? header.appendChild(newBadge(open));
  const look = lookOf(task);
  const { fill, line } = setting.dark ? look.dark : look.light;
  const unsaved = task?.state === "success" && (!task.saved || Boolean(task.unsaved?.length));
  badge.dataset.state = unsaved ? "unsaved" : stateKey(task) || "unknown";
  badge.dataset.theme = setting.dark ? "dark" : "light";
  badge.style.setProperty("--milepost-fill", fill);
  badge.style.setProperty("--milepost-line", line);
  const kept = unsaved ? (task.saved ? "partly saved" : "not saved") : task?.saved ? size(task.bytes) : "";
  const words = task ? [look.word, timeWords(task, setting.now), kept] : [look.word];
  const [symbol, label] = badge.children;
  write(symbol as Element, look.symbol);
  write(label as Element, words.filter(Boolean).join(" · "));
  const tip = shorten(explain(name, task), 1000);
  if (badge.title !== tip) {
    badge.title = tip;
  }
}

function newBadge(open: (badge: HTMLElement) => void): HTMLElement {
  const badge = html("button", CLASS, "", { type: "button", "aria-haspopup": "menu" });
  badge.append(html("span", "", "", { "aria-hidden": "true" }), html("span"));
  badge.addEventListener("click", () => {
    open(badge);
  });
  return badge;
}

/** All that is known of a task, a line each. */
export function explain(name: string, task: TaskView | undefined): string {
  if (!task) {
    return `${name ? `${shorten(name, 100)}: ` : ""}not run in this kernel`;
  }
  const computed = task.seconds === null ? "" : `${task.restored ? "time saved" : "time"}: ${duration(task.seconds)}`;
  const saved = task.saved ? `saved: ${size(task.bytes)}${task.saved_at ? `, ${task.saved_at}` : ""}` : "";
  const lines = [`${shorten(task.name, 100)}: ${lookOf(task).word}`, task.why?.text ?? "", ...(task.why?.details ?? [])];
  return [...lines, task.error ?? "", computed, saved].filter(Boolean).join("\n");
}
