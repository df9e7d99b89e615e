/** Pan and zoom of a drawing inside a window of fixed height. */

import type { NodeBox } from "../protocol";
import { html } from "./elements";
import type { Graph } from "./graph";
import { NOWHERE } from "./window";

const SMALLEST = 0.02;
const LARGEST = 2.5;
/** No drawing starts smaller: its words could not be read. */
const READABLE = 0.7;
/** Smaller than this, words are only noise: colours and frames stay. */
const FAR = 0.4;
/** Smaller than this, even symbols cannot be seen. */
const TINY = 0.2;
const TALLEST = 520;
const LOWEST = 200;
const STEP = 1.25;
/** Pixels around the window that are drawn, too, so that nothing is missing while it moves. */
const AROUND = 200;
const MOVED = 4;

export interface Position {
  x: number;
  y: number;
  scale: number;
  height: string;
}

export class Viewport {
  readonly root = html("div", "milepost-graph");
  private width = 1;
  private height = 1;
  private x = 0;
  private y = 0;
  private scale = 1;
  private touched = false;
  private drag: { id: number; x: number; y: number; far: boolean } | null = null;
  private readonly watch = new ResizeObserver(() => {
    if (this.touched) {
      this.cull();
    } else {
      this.home();
    }
  });

  constructor(private readonly graph: Graph) {
    this.root.append(graph.svg);
    graph.cull(NOWHERE);
    graph.svg.removeAttribute("viewBox");
    this.root.addEventListener("wheel", this.onWheel, { passive: false });
    this.root.addEventListener("pointerdown", this.onDown);
    this.root.addEventListener("pointermove", this.onMove);
    this.root.addEventListener("pointerup", this.onUp);
    this.root.addEventListener("pointercancel", this.onUp);
    this.root.addEventListener("click", this.onClick, { capture: true });
    this.root.addEventListener("keydown", this.onKey);
    this.watch.observe(this.root);
  }

  /** Where the drawing is in its window; null, where nobody has moved it. */
  get position(): Position | null {
    return this.touched ? { x: this.x, y: this.y, scale: this.scale, height: this.root.style.height } : null;
  }

  set position(position: Position | null) {
    if (position) {
      ({ x: this.x, y: this.y, scale: this.scale } = position);
      this.root.style.height = position.height;
      this.touched = true;
      this.place(false);
    }
  }

  dispose(): void {
    this.watch.disconnect();
  }

  /** A drawing of another size is there; unless somebody has moved it, it is shown from its beginning. */
  resize(width: number, height: number): void {
    this.width = Math.max(width, 1);
    this.height = Math.max(height, 1);
    for (const name of ["viewBox", "width", "height"]) {
      this.graph.svg.removeAttribute(name);
    }
    if (this.touched) {
      this.place(false);
    } else {
      this.home();
    }
  }

  zoom(factor: number): void {
    this.zoomAt(factor, this.root.clientWidth / 2, this.root.clientHeight / 2);
  }

  zoomIn(): void {
    this.zoom(STEP);
  }

  zoomOut(): void {
    this.zoom(1 / STEP);
  }

  /** All of it in the window. */
  fit(): void {
    const { clientWidth, clientHeight } = this.root;
    this.scale = bounded(Math.min(1, clientWidth / this.width, clientHeight / this.height));
    this.x = (clientWidth - this.width * this.scale) / 2;
    this.y = Math.max(0, (clientHeight - this.height * this.scale) / 2);
    this.touched = true;
    this.place(true);
  }

  /** Bring a task into the window, as far in the middle as it takes. */
  reveal(box: NodeBox): void {
    const { clientWidth, clientHeight } = this.root;
    const before = this.scale;
    this.scale = Math.max(this.scale, READABLE);
    const left = this.x + box.x * this.scale;
    const top = this.y + box.y * this.scale;
    const seen =
      left >= 0 && top >= 0 && left + box.w * this.scale <= clientWidth && top + box.h * this.scale <= clientHeight;
    if (seen && before === this.scale) {
      return;
    }
    if (!seen) {
      this.x = clientWidth / 2 - (box.x + box.w / 2) * this.scale;
      this.y = clientHeight / 2 - (box.y + box.h / 2) * this.scale;
    }
    this.touched = true;
    this.place(true);
  }

  /** As it is first seen: as wide as the window, but readable, from the top. */
  private home(): void {
    const { clientWidth } = this.root;
    if (clientWidth === 0) {
      return;
    }
    this.scale = bounded(Math.min(1, Math.max(READABLE, clientWidth / this.width)));
    this.root.style.height = `${Math.round(Math.max(LOWEST, Math.min(TALLEST, this.height * this.scale)))}px`;
    this.x = this.start(clientWidth);
    this.y = 0;
    this.place(false);
  }

  /** In the middle; where it is wider than its window, as far to the left as its first task allows. */
  private start(clientWidth: number): number {
    const spare = clientWidth - this.width * this.scale;
    const first = this.graph.first;
    const middle = first ? clientWidth / 2 - (first.x + first.w / 2) * this.scale : 0;
    return spare >= 0 ? spare / 2 : Math.max(spare, Math.min(0, middle));
  }

  private zoomAt(factor: number, x: number, y: number): void {
    const scale = bounded(this.scale * factor);
    this.x = x - ((x - this.x) * scale) / this.scale;
    this.y = y - ((y - this.y) * scale) / this.scale;
    this.scale = scale;
    this.touched = true;
    this.place(false);
  }

  private place(gently: boolean): void {
    const { scene, svg } = this.graph;
    scene.classList.toggle("milepost-gently", gently);
    scene.style.transform = `translate(${this.x.toFixed(2)}px, ${this.y.toFixed(2)}px) scale(${this.scale.toFixed(4)})`;
    svg.classList.toggle("milepost-far", this.scale < FAR);
    svg.classList.toggle("milepost-tiny", this.scale < TINY);
    this.root.dataset.scale = this.scale.toFixed(3);
    this.cull();
  }

  private cull(): void {
    const { clientWidth, clientHeight } = this.root;
    this.graph.cull({
      left: (-this.x - AROUND) / this.scale,
      top: (-this.y - AROUND) / this.scale,
      right: (clientWidth - this.x + AROUND) / this.scale,
      bottom: (clientHeight - this.y + AROUND) / this.scale
    });
  }

  /** With Ctrl (or a pinch) always; without, once the graph has the focus, so that the page can be scrolled past it. */
  private readonly onWheel = (event: WheelEvent): void => {
    if (!event.ctrlKey && !event.metaKey && !this.root.contains(document.activeElement)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const frame = this.root.getBoundingClientRect();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    const far = Math.max(-120, Math.min(120, event.deltaY * lines));
    this.zoomAt(Math.exp(-far / 400), event.clientX - frame.left, event.clientY - frame.top);
  };

  private readonly onDown = (event: PointerEvent): void => {
    if (event.button === 0 || event.button === 1) {
      this.drag = { id: event.pointerId, x: event.clientX, y: event.clientY, far: false };
    }
  };

  private readonly onMove = (event: PointerEvent): void => {
    const { drag } = this;
    if (drag?.id !== event.pointerId) {
      return;
    }
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    if (!drag.far && Math.hypot(dx, dy) < MOVED) {
      return;
    }
    if (!drag.far) {
      this.root.setPointerCapture(event.pointerId);
      this.root.classList.add("milepost-panning");
    }
    this.drag = { id: drag.id, x: event.clientX, y: event.clientY, far: true };
    this.x += dx;
    this.y += dy;
    this.touched = true;
    this.place(false);
  };

  private readonly onUp = (event: PointerEvent): void => {
    if (this.drag?.id === event.pointerId && !this.drag.far) {
      this.drag = null;
    }
    this.root.classList.remove("milepost-panning");
    setTimeout(() => {
      this.drag = null; // after the click that ends a drag
    });
  };

  /** The click that ends a drag chooses nothing. */
  private readonly onClick = (event: MouseEvent): void => {
    if (this.drag?.far) {
      event.stopPropagation();
    }
    this.drag = null;
  };

  private readonly onKey = (event: KeyboardEvent): void => {
    const act = { "+": () => { this.zoomIn(); }, "-": () => { this.zoomOut(); }, "0": () => { this.fit(); } }[event.key];
    if (act && !event.ctrlKey && !event.metaKey && !event.altKey) {
      act();
      event.preventDefault();
    }
  };
}

function bounded(scale: number): number {
  return Math.max(SMALLEST, Math.min(LARGEST, scale));
}
