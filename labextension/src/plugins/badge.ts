/** The badge of one task cell: symbol, word, time, size; the rest in its tooltip. */

import type { TaskView } from "../protocol";
import { duration, lookOf, shorten, size, stateKey, timeWords } from "../words";

const CLASS = "milepost-badge";

/** Draws (or removes, for a cell that is no task) the badge in a cell's header. */
export function paintBadge(header: Element, name: string | null, task: TaskView | undefined, dark: boolean, now: number): void {
  header.classList.toggle("milepost-badged", name !== null);
  const old = header.querySelector<HTMLElement>(`.${CLASS}`);
  if (name === null) {
    old?.remove();
    return;
  }
  const badge = old ?? header.appendChild(newBadge());
  const look = lookOf(task);
  const { fill, line } = dark ? look.dark : look.light;
  badge.dataset.state = stateKey(task) || "unknown";
  badge.dataset.theme = dark ? "dark" : "light";
  badge.style.setProperty("--milepost-fill", fill);
  badge.style.setProperty("--milepost-line", line);
  const words = task ? [look.word, timeWords(task, now), task.saved ? size(task.bytes) : ""] : [look.word];
  write(badge.children[0], look.symbol);
  write(badge.children[1], words.filter(Boolean).join(" · "));
  const tip = tooltip(name, task);
  if (badge.title !== tip) {
    badge.title = tip;
  }
}

function newBadge(): HTMLElement {
  const badge = document.createElement("div");
  badge.className = CLASS;
  const symbol = document.createElement("span");
  symbol.setAttribute("aria-hidden", "true");
  badge.append(symbol, document.createElement("span"));
  return badge;
}

function tooltip(name: string, task: TaskView | undefined): string {
  if (!task) {
    return `${name ? `${shorten(name, 100)}: ` : ""}not run in this kernel`;
  }
  const computed = task.seconds === null ? "" : `${task.restored ? "time saved" : "time"}: ${duration(task.seconds)}`;
  const saved = task.saved ? `saved: ${size(task.bytes)}${task.saved_at ? `, ${task.saved_at}` : ""}` : "";
  const lines = [`${shorten(task.name, 100)}: ${lookOf(task).word}`, task.why?.text ?? "", ...(task.why?.details ?? [])];
  return shorten([...lines, task.error ?? "", computed, saved].filter(Boolean).join("\n"), 1000);
}

function write(target: Element | undefined, text: string): void {
  if (target && target.textContent !== text) {
    target.textContent = text;
  }
}
