/** The task graph as SVG: drawn once for each structure, repainted for each state. */

import type { Layout, NodeBox, TaskView } from "../protocol";
import { lookOf, shorten, size, stateKey, timeWords } from "../words";

const SVG = "http://www.w3.org/2000/svg";
let count = 0;

interface Drawn {
  box: NodeBox;
  group: SVGGElement;
  title: SVGTitleElement;
  symbol: SVGTextElement;
  state: SVGTextElement;
  size: SVGTextElement;
  painted: string;
}

export class Graph {
  readonly svg = element("svg", { role: "group", "aria-label": "task graph" });
  private readonly drawn = new Map<string, Drawn>();
  private readonly tip = `milepost-tip-${(count += 1)}`;
  private chosen: string | null = null;

  constructor(private readonly onChoose: (name: string) => void) {
    this.svg.addEventListener("keydown", event => {
      this.onKey(event);
    });
  }

  draw(layout: Layout): void {
    this.drawn.clear();
    const width = Math.max(layout.width, 1);
    const height = Math.max(layout.height, 1);
    setAll(this.svg, { viewBox: `0 0 ${width} ${height}`, width, height });
    const edges = layout.edges.map(({ path }) =>
      element("path", { class: "milepost-edge", d: path, "marker-end": `url(#${this.tip})` })
    );
    const nodes = layout.nodes.map(box => this.node(box));
    this.svg.replaceChildren(marker(this.tip), ...edges, ...nodes);
    nodes[0]?.setAttribute("tabindex", "0");
  }

  /** Recolours and rewrites what changed; `now` is the kernel's clock. */
  paint(tasks: Map<string, TaskView>, dark: boolean, now: number): void {
    for (const node of this.drawn.values()) {
      paintNode(node, tasks.get(node.box.name), dark, now, node.box.name === this.chosen);
    }
  }

  choose(name: string | null): void {
    this.chosen = name;
  }

  private node(box: NodeBox): SVGGElement {
    const group = element("g", {
      class: "milepost-node",
      transform: `translate(${box.x} ${box.y})`,
      tabindex: "-1",
      role: "button"
    });
    const name = element("text", { class: "milepost-name", x: 34, y: 24 });
    name.textContent = box.label;
    const drawn: Drawn = {
      box,
      group,
      title: element("title", {}),
      symbol: element("text", { class: "milepost-symbol", x: 12, y: 25 }),
      state: element("text", { class: "milepost-state", x: 12, y: 45 }),
      size: element("text", { class: "milepost-size", x: box.w - 10, y: 45 }),
      painted: ""
    };
    const frame = element("rect", { class: "milepost-frame", width: box.w, height: box.h, rx: 7 });
    const inner = element("rect", { class: "milepost-inner", x: 3, y: 3, width: box.w - 6, height: box.h - 6, rx: 5 });
    group.append(drawn.title, frame, inner, drawn.symbol, name, drawn.state, drawn.size);
    group.addEventListener("click", () => {
      this.onChoose(box.name);
    });
    this.drawn.set(box.name, drawn);
    return group;
  }

  /** Enter and Space choose; arrows go to the next and the previous task. */
  private onKey(event: KeyboardEvent): void {
    const nodes = [...this.drawn.values()];
    const at = nodes.findIndex(node => node.group === document.activeElement);
    const current = nodes[at];
    if (!current) {
      return;
    }
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const next = step === undefined ? undefined : nodes[at + step];
    if (event.key === "Enter" || event.key === " ") {
      this.onChoose(current.box.name);
    } else if (next) {
      current.group.setAttribute("tabindex", "-1");
      next.group.setAttribute("tabindex", "0");
      next.group.focus();
    } else if (step === undefined) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }
}

function paintNode(node: Drawn, task: TaskView | undefined, dark: boolean, now: number, chosen: boolean): void {
  const look = lookOf(task);
  const { fill, line } = dark ? look.dark : look.light;
  const words = task ? [look.word, timeWords(task, now)].filter(Boolean).join(" · ") : "";
  const bytes = task?.saved ? size(task.bytes) : "";
  const why = task?.error ?? task?.why?.text ?? "";
  const signature = [look.word, words, bytes, fill, chosen, why].join("\n");
  if (node.painted === signature) {
    return;
  }
  node.painted = signature;
  node.group.dataset.state = stateKey(task);
  node.group.style.setProperty("--milepost-fill", fill);
  node.group.style.setProperty("--milepost-line", line);
  setAll(node.group, { "aria-label": `${node.box.label}: ${words}`, "aria-pressed": String(chosen) });
  node.title.textContent = shorten(`${node.box.label}: ${look.word}${why ? ` – ${why}` : ""}`, 300);
  node.symbol.textContent = look.symbol;
  node.state.textContent = words;
  node.size.textContent = bytes;
}

function marker(id: string): SVGDefsElement {
  const defs = element("defs", {});
  const tip = element("marker", {
    id,
    viewBox: "0 0 8 8",
    refX: 8,
    refY: 4,
    markerWidth: 7,
    markerHeight: 7,
    orient: "auto"
  });
  tip.append(element("path", { class: "milepost-tip", d: "M0 0L8 4L0 8z" }));
  defs.append(tip);
  return defs;
}

function element<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number>
): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  setAll(made, attributes);
  return made;
}

function setAll(target: Element, attributes: Record<string, string | number>): void {
  for (const [name, value] of Object.entries(attributes)) {
    target.setAttribute(name, String(value));
  }
}
