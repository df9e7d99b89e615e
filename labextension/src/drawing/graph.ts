/** The task graph as SVG: drawn once for each structure, repainted for each state, walked with the arrow keys. */

import type { EdgePath, Layout, NodeBox, TaskView } from "../protocol";
import { Edges } from "./edges";
import { svg } from "./elements";
import { GroupNode } from "./group";
import { type Setting, TaskNode } from "./node";
import { type Area, MANY } from "./window";

type Node = TaskNode | GroupNode;

export class Graph {
  readonly svg = svg("svg", { role: "group", "aria-label": "task graph" });
  /** What pan and zoom move. */
  readonly scene = svg("g", { class: "milepost-scene" });
  private readonly edges = new Edges();
  private nodes = new Map<string, Node>();
  private home: Node | undefined;
  private view: Area | null = null;
  private last: [ReadonlyMap<string, TaskView>, Setting] | null = null;
  private groupOf = new Map<string, string>();
  private byElement = new Map<Element, Node>();
  private chosen: string | null = null;
  /** The last step along an arrow: the opposite key leads back. */
  private step = { from: "", to: "", key: "" };

  /** `onChoose` hears of a click, Enter or Space on a task; `onFocus` of the task that the keyboard is at. */
  constructor(
    private readonly onChoose: (name: string) => void,
    private readonly onFocus: (box: NodeBox) => void = () => undefined
  ) {
    this.svg.append(this.edges.tip, this.scene);
    this.svg.addEventListener("click", event => {
      const node = this.nodeOf(event.target);
      if (node) {
        this.stand(node);
        this.onChoose(node.name);
      }
    });
    this.svg.addEventListener("keydown", event => {
      this.onKey(event);
    });
  }

  draw(layout: Layout): void {
    const focused = this.nodeOf(document.activeElement)?.name;
    this.nodes = new Map(layout.nodes.map(box => [box.name, made(box)]));
    this.groupOf = new Map(layout.nodes.flatMap(box => (box.members ?? []).map(member => [member, box.name])));
    this.byElement = new Map([...this.nodes.values()].map(node => [node.group, node]));
    const width = Math.max(layout.width, 1);
    const height = Math.max(layout.height, 1);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("width", String(width));
    this.svg.setAttribute("height", String(height));
    this.scene.replaceChildren(this.edges.draw(layout.edges), ...[...this.nodes.values()].map(node => node.group));
    this.home = undefined;
    if (this.view) {
      this.cull(this.view);
    }
    this.stand(this.holding(this.chosen ?? "") ?? [...this.nodes.values()][0]);
    if (focused !== undefined) {
      this.focus(focused);
    }
    this.choose(this.chosen);
  }

  /** Recolours and rewrites what changed; `now` is the kernel's clock. */
  paint(tasks: ReadonlyMap<string, TaskView>, dark: boolean, now: number): void {
    this.last = [tasks, { dark, now }];
    for (const node of this.nodes.values()) {
      if (node.seen.now) {
        node.paint(...this.last);
      }
    }
  }

  /** Of a large drawing, keep only what is in this part; the rest is painted when it comes into view. */
  cull(view: Area): void {
    this.view = view;
    const whole = this.nodes.size <= MANY;
    for (const node of this.nodes.values()) {
      this.see(node, whole || node === this.home || node.seen.within(view));
    }
    if (!whole) {
      this.edges.cull(view);
    }
  }

  private see(node: Node, shown: boolean): void {
    if (node.seen.set(shown) && shown && this.last) {
      node.paint(...this.last);
    }
  }

  choose(name: string | null): void {
    this.holding(this.chosen ?? "")?.group.setAttribute("aria-pressed", "false");
    this.chosen = name;
    this.holding(name ?? "")?.group.setAttribute("aria-pressed", "true");
  }

  /** Only these tasks stand out, and of them the `current` one most; null: all look alike again. */
  mark(names: ReadonlySet<string> | null, current?: string): void {
    this.svg.classList.toggle("milepost-searching", names !== null);
    for (const { name, group, members } of this.nodes.values()) {
      const match = names !== null && (names.has(name) || members.some(member => names.has(member)));
      group.classList.toggle("milepost-match", match);
      group.classList.toggle("milepost-current", name === current || this.groupOf.get(current ?? "") === name);
    }
  }

  edge(target: EventTarget | null): EdgePath | undefined {
    return this.edges.at(target);
  }

  box(name: string): NodeBox | undefined {
    return this.holding(name)?.box;
  }

  /** Of the topmost boxes, the first. */
  get first(): NodeBox | undefined {
    const boxes = [...this.nodes.values()].map(({ box }) => box);
    return boxes.reduce<NodeBox | undefined>((top, box) => (top && top.y <= box.y ? top : box), undefined);
  }

  /** The tasks that a box of this name stands for; none, where it is a task. */
  members(name: string): string[] {
    return this.nodes.get(name)?.members ?? [];
  }

  focus(name: string): void {
    const node = this.holding(name);
    if (node) {
      this.stand(node);
      node.group.focus({ preventScroll: true });
    }
  }

  /** The box of a task, or of the group that it is in. */
  private holding(name: string): Node | undefined {
    return this.nodes.get(name) ?? this.nodes.get(this.groupOf.get(name) ?? "");
  }

  private nodeOf(target: EventTarget | null): Node | undefined {
    const group = target instanceof Element ? target.closest(".milepost-node") : null;
    return group ? this.byElement.get(group) : undefined;
  }

  /** The Tab key leads to one task at a time: this one. */
  private stand(node: Node | undefined): void {
    this.home?.group.setAttribute("tabindex", "-1");
    this.home = node;
    if (node) {
      this.see(node, true);
    }
    node?.group.setAttribute("tabindex", "0");
  }

  private onKey(event: KeyboardEvent): void {
    const current = this.nodeOf(document.activeElement);
    if (!current || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (event.key === "Enter" || event.key === " ") {
      this.onChoose(current.name);
    } else if (!(event.key in STEPS)) {
      return;
    } else {
      const next = this.neighbour(current, event.key);
      if (next) {
        this.step = { from: current.name, to: next.name, key: event.key };
        this.focus(next.name);
        this.onFocus(next.box);
      }
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Down and up along the arrows, left and right to the next in the same row; Home and End to the first and last. */
  private neighbour(from: Node, key: string): Node | undefined {
    const all = [...this.nodes.values()];
    if (key === "Home" || key === "End") {
      return key === "Home" ? all[0] : all[all.length - 1];
    }
    if (key === "ArrowDown" || key === "ArrowUp") {
      const names = key === "ArrowDown" ? this.edges.after(from.name) : this.edges.before(from.name);
      const { from: last, to, key: before } = this.step;
      const back = to === from.name && before !== key && names.includes(last);
      return back ? this.nodes.get(last) : nearest(from, names.map(name => this.nodes.get(name)).filter(node => node !== undefined));
    }
    const side = key === "ArrowRight" ? 1 : -1;
    const row = all.filter(({ box }) => Math.abs(box.y - from.box.y) < from.box.h / 2);
    return nearest(from, row.filter(({ box }) => (box.x - from.box.x) * side > 0));
  }
}

const STEPS = { ArrowDown: 1, ArrowUp: 1, ArrowLeft: 1, ArrowRight: 1, Home: 1, End: 1 };

function nearest(from: Node, nodes: Node[]): Node | undefined {
  const distance = ({ box }: Node): number => Math.abs(box.x + box.w / 2 - from.box.x - from.box.w / 2);
  return nodes.reduce<Node | undefined>((best, node) => (!best || distance(node) < distance(best) ? node : best), undefined);
}

function made(box: NodeBox): Node {
  const { members } = box;
  return members && members.length > 0 ? new GroupNode(box, members) : new TaskNode(box);
}
