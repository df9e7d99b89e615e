/** One task's box: drawn once, repainted when what it says changes. */

import type { NodeBox, TaskView } from "../protocol";
import { fraction, lookOf, shorten, size, stateKey, timeWords, visible } from "../words";
import { setAll, svg, write } from "./elements";
import { Seen } from "./window";

/** How the page looks now: `now` is the kernel's clock in Unix seconds. */
export interface Setting {
  dark: boolean;
  now: number;
}

interface Parts {
  title: SVGTitleElement;
  symbol: SVGTextElement;
  state: SVGTextElement;
  size: SVGTextElement;
  reason: SVGTextElement;
  bar: SVGRectElement;
}

/** Kinds of reasons that say no more than the state does. */
const PLAIN = ["first-run", "restored", "saved"];
/** Pixels that a letter of the smallest print takes, about. */
const LETTER = 6.3;

export class TaskNode {
  readonly group: SVGGElement;
  /** Made when it is first painted: of a large drawing, most is never seen. */
  private parts: Parts | undefined;
  readonly seen: Seen;
  private painted = "";

  constructor(readonly box: NodeBox) {
    this.group = svg("g", {
      class: "milepost-node",
      transform: `translate(${box.x} ${box.y})`,
      tabindex: "-1",
      role: "button",
      "aria-pressed": "false"
    });
    this.seen = new Seen(this.group, { left: box.x, top: box.y, right: box.x + box.w, bottom: box.y + box.h });
  }

  private build(): Parts {
    const { w, h, label } = this.box;
    const parts = {
      title: svg("title"),
      symbol: svg("text", { class: "milepost-symbol", x: 12, y: 25 }),
      state: svg("text", { class: "milepost-state", x: 12, y: 45 }),
      size: svg("text", { class: "milepost-size", x: w - 10, y: 45 }),
      reason: svg("text", { class: "milepost-reason", x: 12, y: 63 }),
      bar: svg("rect", { class: "milepost-bar", x: 8, y: h - 6, height: 3, rx: 1.5, width: 0 })
    };
    const name = svg("text", { class: "milepost-name", x: 34, y: 24 });
    name.textContent = label;
    const frame = svg("rect", { class: "milepost-frame", width: w, height: h, rx: 7 });
    const inner = svg("rect", { class: "milepost-inner", x: 3, y: 3, width: w - 6, height: h - 6, rx: 5 });
    this.group.append(parts.title, frame, inner, name, ...Object.values(parts).slice(1));
    return parts;
  }

  /** Nobody: it stands for one task. */
  get members(): string[] {
    return [];
  }

  get name(): string {
    return this.box.name;
  }

  paint(tasks: ReadonlyMap<string, TaskView>, { dark, now }: Setting): void {
    const task = tasks.get(this.name);
    const look = lookOf(task);
    const { fill, line } = dark ? look.dark : look.light;
    const done = task?.state === "running" ? fraction(task.progress ?? "") : null;
    const percent = done === null ? "" : `${Math.floor(done * 100)} %`;
    const words = task ? [look.word, timeWords(task, now), percent].filter(Boolean).join(" · ") : "not run";
    const bytes = task?.saved ? size(task.bytes) : "";
    const why = shorten((task?.error ?? task?.progress) || (task?.why?.text ?? ""), 250);
    const signature = [look.symbol, words, bytes, fill, why].join("\n");
    if (this.painted === signature) {
      return;
    }
    this.painted = signature;
    const parts = (this.parts ??= this.build());
    this.group.dataset.state = stateKey(task);
    this.group.style.setProperty("--milepost-fill", fill);
    this.group.style.setProperty("--milepost-line", line);
    const said = [words, bytes, why].filter(Boolean).join(", ");
    setAll(this.group, { "aria-label": `${this.box.label}: ${said}` });
    write(parts.title, `${this.box.label}: ${look.word}${why ? ` – ${why}` : ""}`);
    const told = PLAIN.includes(task?.why?.kind ?? "") && !task?.error && !task?.progress ? "" : why;
    write(parts.reason, shorten(visible(told), Math.floor((this.box.w - 24) / LETTER)));
    parts.bar.setAttribute("width", String(Math.round((this.box.w - 16) * (done ?? 0))));
    write(parts.symbol, look.symbol);
    write(parts.state, words);
    write(parts.size, bytes);
  }
}
