/** The arrows between the tasks, and who is before and after whom. */

import type { EdgePath } from "../protocol";
import { svg } from "./elements";
import { type Area, extent, Seen } from "./window";

let count = 0;

export class Edges {
  /** The arrow's tip, to be put into the drawing once. */
  readonly tip = svg("defs");
  private readonly id = `milepost-tip-${(count += 1)}`;
  private shown = new Map<Element, EdgePath>();
  private seen: Seen[] = [];
  private following = new Map<string, string[]>();
  private preceding = new Map<string, string[]>();

  constructor() {
    const size = { markerWidth: 7, markerHeight: 7, refX: 8, refY: 4 };
    const marker = svg("marker", { id: this.id, viewBox: "0 0 8 8", orient: "auto", ...size });
    marker.append(svg("path", { class: "milepost-tip", d: "M0 0L8 4L0 8z" }));
    this.tip.append(marker);
  }

  /** The arrow at a place of the page, if one is there. */
  at(target: EventTarget | null): EdgePath | undefined {
    return target instanceof Element ? this.shown.get(target) : undefined;
  }

  draw(edges: EdgePath[]): SVGGElement {
    this.shown = new Map();
    this.seen = [];
    this.following = new Map();
    this.preceding = new Map();
    const group = svg("g", { "aria-hidden": "true" });
    for (const edge of edges) {
      const { source, target, path } = edge;
      add(this.following, source, target);
      add(this.preceding, target, source);
      const wide = svg("path", { class: "milepost-edge-wide", d: path });
      this.shown.set(wide, edge);
      const thin = svg("path", { class: "milepost-edge", d: path, "marker-end": `url(#${this.id})` });
      const area = extent(path);
      this.seen.push(new Seen(wide, area), new Seen(thin, area));
      group.append(wide, thin);
    }
    return group;
  }

  /** Keep only what is in this part of the drawing. */
  cull(view: Area): void {
    for (const seen of this.seen) {
      seen.set(seen.within(view));
    }
  }

  after(name: string): string[] {
    return this.following.get(name) ?? [];
  }

  before(name: string): string[] {
    return this.preceding.get(name) ?? [];
  }
}

function add(map: Map<string, string[]>, key: string, value: string): void {
  const found = map.get(key);
  if (found) {
    found.push(value);
  } else {
    map.set(key, [value]);
  }
}
