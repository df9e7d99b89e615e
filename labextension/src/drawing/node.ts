/** One task's box: drawn once, repainted when what it says changes. */

import type { NodeBox, TaskView } from "../protocol";
import { lookOf, shorten, size, stateKey, timeWords } from "../words";
import { setAll, svg, write } from "./elements";

/** How the page looks now: `now` is the kernel's clock in Unix seconds. */
export interface Setting {
  dark: boolean;
  now: number;
}

export class Node {
  readonly group: SVGGElement;
  private readonly symbol = svg("text", { class: "milepost-symbol", x: 12, y: 25 });
  private readonly state = svg("text", { class: "milepost-state", x: 12, y: 45 });
  private readonly size: SVGTextElement;
  private readonly title = svg("title");
  private painted = "";

  constructor(readonly box: NodeBox) {
    this.group = svg("g", {
      class: "milepost-node",
      transform: `translate(${box.x} ${box.y})`,
      tabindex: "-1",
      role: "button",
      "aria-pressed": "false"
    });
    const name = svg("text", { class: "milepost-name", x: 34, y: 24 });
    name.textContent = box.label;
    this.size = svg("text", { class: "milepost-size", x: box.w - 10, y: 45 });
    const frame = svg("rect", { class: "milepost-frame", width: box.w, height: box.h, rx: 7 });
    const inner = svg("rect", { class: "milepost-inner", x: 3, y: 3, width: box.w - 6, height: box.h - 6, rx: 5 });
    this.group.append(this.title, frame, inner, this.symbol, name, this.state, this.size);
  }

  get name(): string {
    return this.box.name;
  }

  paint(task: TaskView | undefined, { dark, now }: Setting): void {
    const look = lookOf(task);
    const { fill, line } = dark ? look.dark : look.light;
    const words = task ? [look.word, timeWords(task, now)].filter(Boolean).join(" · ") : "";
    const bytes = task?.saved ? size(task.bytes) : "";
    const why = task?.error ?? task?.why?.text ?? "";
    const signature = [look.word, words, bytes, fill, why].join("\n");
    if (this.painted === signature) {
      return;
    }
    this.painted = signature;
    this.group.dataset.state = stateKey(task);
    this.group.style.setProperty("--milepost-fill", fill);
    this.group.style.setProperty("--milepost-line", line);
    setAll(this.group, { "aria-label": `${this.box.label}: ${words}` });
    write(this.title, shorten(`${this.box.label}: ${look.word}${why ? ` – ${why}` : ""}`, 300));
    write(this.symbol, look.symbol);
    write(this.state, words);
    write(this.size, bytes);
  }
}
