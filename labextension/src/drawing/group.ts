/** A box that stands for several tasks: how many of them are in which state. */

import type { NodeBox, TaskView } from "../protocol";
import { lookOf, shorten, stateKey } from "../words";
import { setAll, svg, write } from "./elements";
import type { Setting } from "./node";
import { Seen } from "./window";

const LETTER = 6.6;
/** What a group is coloured as: the first of these that one of its tasks is in. */
const FIRST = ["failure", "in-doubt", "untrusted", "running", "paused", "stale", "cancelled", "pending", "ready", "skipped"];

export class GroupNode {
  readonly group: SVGGElement;
  private readonly symbol = svg("text", { class: "milepost-symbol", x: 12, y: 25 });
  private readonly state = svg("text", { class: "milepost-state", x: 12, y: 45 });
  private readonly done: SVGRectElement;
  readonly seen: Seen;
  private painted = "";

  constructor(
    readonly box: NodeBox,
    readonly members: string[]
  ) {
    const place = `translate(${box.x} ${box.y})`;
    this.group = svg("g", { class: "milepost-node milepost-many", transform: place, tabindex: "-1", role: "button" });
    this.group.setAttribute("aria-pressed", "false");
    this.seen = new Seen(this.group, { left: box.x, top: box.y, right: box.x + box.w, bottom: box.y + box.h });
    const behind = svg("rect", { class: "milepost-frame", x: 5, y: 5, width: box.w, height: box.h, rx: 7 });
    const frame = svg("rect", { class: "milepost-frame", width: box.w, height: box.h, rx: 7 });
    const name = svg("text", { class: "milepost-name", x: 34, y: 24 });
    name.textContent = box.label;
    this.done = svg("rect", { class: "milepost-bar", x: 8, y: box.h - 6, height: 3, rx: 1.5, width: 0 });
    this.group.append(behind, frame, this.symbol, name, this.state, this.done);
  }

  get name(): string {
    return this.box.name;
  }

  paint(tasks: ReadonlyMap<string, TaskView>, { dark }: Setting): void {
    const counts = new Map<string, { task: TaskView; count: number }>();
    let done = 0;
    for (const member of this.members) {
      const task = tasks.get(member);
      if (task) {
        const key = stateKey(task);
        const found = counts.get(key);
        counts.set(key, { task, count: (found?.count ?? 0) + 1 });
        done += Number(task.state === "success");
      }
    }
    const words = [...counts.values()].map(({ task, count }) => `${count} ${lookOf(task).word}`).join(", ");
    const first = FIRST.find(state => counts.has(state)) ?? [...counts.keys()][0] ?? "";
    const look = lookOf(counts.get(first)?.task);
    const { fill, line } = dark ? look.dark : look.light;
    const signature = [words, fill].join("\n");
    if (signature === this.painted) {
      return;
    }
    this.painted = signature;
    this.group.dataset.state = first;
    this.group.style.setProperty("--milepost-fill", fill);
    this.group.style.setProperty("--milepost-line", line);
    setAll(this.group, { "aria-label": `${this.box.label}: ${words}` });
    write(this.symbol, look.symbol);
    write(this.state, shorten(words, Math.floor((this.box.w - 24) / LETTER)));
    this.done.setAttribute("width", String(Math.round(((this.box.w - 16) * done) / this.members.length)));
  }
}
