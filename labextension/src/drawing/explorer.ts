/** The graph with its tools: search, zoom, fit. What a page needs of the drawing, in one element.
 *
 *     const explorer = new Explorer(name => …);   // a task was clicked, or Enter was pressed on it
 *     element.append(explorer.root);
 *     explorer.draw(layout);                      // whenever the structure has changed
 *     explorer.paint(tasks, dark, now);           // whenever states have changed, or a second has passed
 *     explorer.choose(name);                      // shown as chosen; null: none
 *     explorer.reveal(name);                      // brought into view
 *     explorer.dispose();
 *
 * Styles are in style/graph.css.
 */

import type { EdgePath, Layout, TaskView } from "../protocol";
import { button, html } from "./elements";
import { Graph } from "./graph";
import { flow, shorten, size } from "../words";
import { Search } from "./search";
import { Tip } from "./tip";
import { type Position, Viewport } from "./viewport";

const KEYS =
  "Arrow keys move between tasks along the arrows, Enter opens a task, Escape closes it, plus and minus zoom, 0 fits all.";
const NOTHING = "Tasks are drawn here once their cells have run.";
let count = 0;

export interface Setup {
  position: Position | null;
  search: string;
}

export class Explorer {
  readonly root = html("div", "milepost-explorer");
  private readonly graph: Graph;
  private readonly viewport: Viewport;
  private readonly search: Search;
  private tasks: ReadonlyMap<string, TaskView> = new Map();

  constructor(onChoose: (name: string) => void) {
    this.graph = new Graph(onChoose, box => {
      this.viewport.reveal(box);
    });
    this.viewport = new Viewport(this.graph);
    this.search = new Search(
      () => this.tasks.values(),
      (names, current) => {
        this.graph.mark(names, current);
        if (current !== undefined) {
          this.reveal(current);
        }
      }
    );
    new Tip(
      this.viewport.root,
      target => this.graph.edge(target),
      edge => this.flowing(edge)
    );
    // JupyterLab's shortcuts would take Enter, arrows and letters.
    this.root.dataset.lmSuppressShortcuts = "true";
    const help = html("span", "milepost-hidden", KEYS, { id: `milepost-keys-${(count += 1)}` });
    this.graph.svg.setAttribute("aria-describedby", help.id);
    this.root.append(this.tools(), this.viewport.root, html("p", "milepost-nothing", NOTHING), help);
    this.root.classList.add("milepost-empty");
  }

  /** What a person has set up here: for a view that takes the place of this one. */
  get setup(): Setup {
    return { position: this.viewport.position, search: this.search.text };
  }

  set setup({ position, search }: Setup) {
    this.viewport.position = position;
    this.search.text = search;
  }

  dispose(): void {
    this.viewport.dispose();
  }

  draw(layout: Layout): void {
    this.root.classList.toggle("milepost-empty", layout.nodes.length === 0);
    this.graph.draw(layout);
    this.viewport.resize(layout.width, layout.height);
  }

  /** `now` is the kernel's clock in Unix seconds. */
  paint(tasks: ReadonlyMap<string, TaskView>, dark: boolean, now: number): void {
    this.tasks = tasks;
    this.root.dataset.theme = dark ? "dark" : "light";
    this.graph.paint(tasks, dark, now);
    this.search.refresh();
  }

  choose(name: string | null): void {
    this.graph.choose(name);
  }

  /** The tasks that a chosen box stands for; none, where it is a task. */
  members(name: string): string[] {
    return this.graph.members(name);
  }

  reveal(name: string): void {
    const box = this.graph.box(name);
    if (box) {
      this.viewport.reveal(box);
    }
  }

  focus(name: string): void {
    this.graph.focus(name);
  }

  private flowing({ source, target }: EdgePath): string {
    const from = this.tasks.get(source);
    const bytes = from?.saved ? ` (${size(from.bytes)} in all)` : "";
    if ([source, target].some(name => this.graph.members(name).length > 0)) {
      return "between groups of tasks";
    }
    return `${shorten(source, 60)} → ${shorten(target, 60)}: ${flow(from, this.tasks.get(target))}${bytes}`;
  }

  private tools(): HTMLElement {
    const tools = html("div", "milepost-tools");
    const zooms = html("span", "milepost-zooms", "", { role: "group", "aria-label": "zoom" });
    zooms.append(
      button("milepost-zoom-out", "−", "Zoom out (−, or Ctrl and the wheel)", () => {
        this.viewport.zoomOut();
      }),
      button("milepost-zoom-in", "+", "Zoom in (+, or Ctrl and the wheel)", () => {
        this.viewport.zoomIn();
      }),
      button("milepost-fit", "Fit", "Fit the whole graph (0)", () => {
        this.viewport.fit();
      })
    );
    tools.append(this.search.root, zooms);
    return tools;
  }
}
