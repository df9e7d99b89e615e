/** One task's box: drawn once, repainted when what it says changes. */

import type { NodeBox, TaskView } from "../protocol";
import { fraction, lookOf, shorten, size, stateKey, timeWords, visible } from "../words";
import { setAll, svg, write } from "./elements";

/** How the page looks now: `now` is the kernel's clock in Unix seconds. */
export interface Setting {
  dark: boolean;
  now: number;
}

/** Pixels that a letter of the smallest print takes, about. */
const LETTER = 5.4;

export class Node {
  readonly group: SVGGElement;
  private readonly symbol = svg("text", { class: "milepost-symbol", x: 12, y: 25 });
  private readonly state = svg("text", { class: "milepost-state", x: 12, y: 45 });
  private readonly size: SVGTextElement;
  private readonly reason = svg("text", { class: "milepost-reason", x: 12, y: 63 });
  private readonly bar: SVGRectElement;
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
    this.bar = svg("rect", { class: "milepost-bar", x: 8, y: box.h - 6, height: 3, rx: 1.5, width: 0 });
    this.group.append(this.title, frame, inner, this.symbol, name, this.state, this.size, this.reason, this.bar);
  }

  get name(): string {
    return this.box.name;
  }

  paint(task: TaskView | undefined, { dark, now }: Setting): void {
    const look = lookOf(task);
    const { fill, line } = dark ? look.dark : look.light;
    const done = task?.state === "running" ? fraction(task.progress ?? "") : null;
    const percent = done === null ? "" : `${Math.floor(done * 100)} %`;
    const words = task ? [look.word, timeWords(task, now), percent].filter(Boolean).join(" · ") : "";
    const bytes = task?.saved ? size(task.bytes) : "";
    const why = shorten((task?.error ?? task?.progress) || (task?.why?.text ?? ""), 250);
    const signature = [look.symbol, words, bytes, fill, why].join("\n");
    if (this.painted === signature) {
      return;
    }
    this.painted = signature;
    this.group.dataset.state = stateKey(task);
    this.group.style.setProperty("--milepost-fill", fill);
    this.group.style.setProperty("--milepost-line", line);
    const said = [words, bytes, why].filter(Boolean).join(", ");
    setAll(this.group, { "aria-label": `${this.box.label}: ${said}` });
    write(this.title, `${this.box.label}: ${look.word}${why ? ` – ${why}` : ""}`);
    write(this.reason, shorten(visible(why), Math.floor((this.box.w - 24) / LETTER)));
    this.bar.setAttribute("width", String(Math.round((this.box.w - 16) * (done ?? 0))));
    write(this.symbol, look.symbol);
    write(this.state, words);
    write(this.size, bytes);
  }
}
