/** When each task ran: a row a task, in the order in which they began, as a list of buttons. */

import type { TaskView } from "../protocol";
import { duration, lookOf, shorten, stateKey, visible } from "../words";
import { html, setAll, write } from "./elements";
import { Scale, type Span } from "./scale";

const ROW = 26;
/** Rows above and below the window that are drawn, too. */
const AROUND = 6;
/** Two times of the clock are at least so many pixels from each other. */
const APART = 86;
/** What the words beside a bar need, in parts of the line; with less, they are in the bar. */
const ROOM = 0.35;

interface Row extends Span {
  task: TaskView;
}

export class Timeline {
  readonly root = html("div", "milepost-timeline");
  private readonly axis = html("div", "milepost-axis", "", { "aria-hidden": "true" });
  private readonly list = html("div", "milepost-rows", "", { role: "list", "aria-label": "when each task ran" });
  private readonly empty = html("p", "milepost-empty", "Nothing has run in this kernel yet.");
  private readonly drawn = new Map<string, HTMLElement>();
  private readonly window = html("div", "milepost-window");
  private rows: Row[] = [];
  private scale = new Scale([]);
  private dark = false;
  private chosen: string | null = null;

  constructor(private readonly onChoose: (name: string) => void) {
    this.window.append(this.list);
    this.root.append(this.empty, this.axis, this.window);
    this.window.addEventListener("scroll", () => {
      this.fill();
    });
    this.list.addEventListener("keydown", event => {
      this.onKey(event);
    });
  }

  /** `now` is the kernel's clock in Unix seconds. */
  paint(tasks: ReadonlyMap<string, TaskView>, dark: boolean, now: number): void {
    this.dark = dark;
    this.root.dataset.theme = dark ? "dark" : "light";
    this.rows = [...tasks.values()].flatMap(task => row(task, now)).sort((a, b) => a.from - b.from);
    this.scale = new Scale(this.rows);
    this.empty.hidden = this.rows.length > 0;
    this.list.style.height = `${this.rows.length * ROW}px`;
    this.label();
    this.fill();
  }

  choose(name: string | null): void {
    this.chosen = name;
    for (const [key, element] of this.drawn) {
      element.setAttribute("aria-pressed", String(key === name));
    }
  }

  /** When work began, as far as there is room. */
  private label(): void {
    const apart = APART / Math.max(APART, this.axis.clientWidth);
    let last = -1;
    const shown = this.scale.beginnings.filter(({ place }) => {
      const room = place - last >= apart && place <= 1 - apart;
      last = room ? place : last;
      return room;
    });
    this.axis.replaceChildren(
      ...shown.map(({ time, place }) => {
        const mark = html("span", "", new Date(time * 1000).toLocaleTimeString());
        mark.style.left = `${place * 100}%`;
        return mark;
      })
    );
  }

  /** Only the rows in the window are in the page. */
  private fill(): void {
    const { scrollTop, clientHeight } = this.window;
    const first = Math.max(0, Math.floor(scrollTop / ROW) - AROUND);
    const last = Math.ceil((scrollTop + Math.max(clientHeight, 300)) / ROW) + AROUND;
    const shown = new Set<string>();
    this.rows.slice(first, last).forEach((each, place) => {
      shown.add(each.task.name);
      this.put(each, first + place);
    });
    for (const [name, element] of this.drawn) {
      if (!shown.has(name)) {
        element.parentElement?.remove();
        this.drawn.delete(name);
      }
    }
  }

  private put({ task, from, to }: Row, place: number): void {
    const found = this.drawn.get(task.name) ?? this.make(task.name);
    const look = lookOf(task);
    const { fill, line } = this.dark ? look.dark : look.light;
    const took = duration(to - from);
    const item = found.parentElement;
    if (item) {
      item.style.top = `${place * ROW}px`;
    }
    found.tabIndex = place === 0 ? 0 : -1;
    found.dataset.state = stateKey(task);
    found.dataset.place = String(place);
    found.style.setProperty("--milepost-fill", fill);
    found.style.setProperty("--milepost-line", line);
    const name = shorten(visible(task.name), 60);
    const began = new Date(from * 1000).toLocaleTimeString();
    setAll(found, {
      "aria-label": `${name}: ${look.word}, began at ${began}, took ${took}`,
      "aria-pressed": String(task.name === this.chosen),
      title: `${name}: ${look.word}, ${began}, ${took}`
    });
    const [called, track] = found.children;
    const [bar, words] = track?.children ?? [];
    if (called && bar instanceof HTMLElement && words instanceof HTMLElement) {
      const left = this.scale.at(from);
      const width = this.scale.at(to) - left;
      write(called, `${look.symbol} ${name}`);
      bar.style.left = `${left * 100}%`;
      bar.style.width = `max(3px, ${width * 100}%)`;
      write(words, `${look.word} · ${took}`);
      const after = 1 - left - width;
      const side = Math.max(after, left) < ROOM ? "within" : after >= left ? "after" : "before";
      words.style.left = { within: `calc(${left * 100}% + 8px)`, after: `calc(${(left + width) * 100}% + 8px)`, before: "" }[side];
      words.style.right = side === "before" ? `calc(${(1 - left) * 100}% + 6px)` : "";
    }
  }

  private make(name: string): HTMLElement {
    const item = html("div", "milepost-row", "", { role: "listitem" });
    const made = html("button", "", "", { type: "button" });
    const track = html("span", "milepost-track");
    track.append(html("span", "milepost-span"), html("span", "milepost-span-words"));
    made.append(html("span", "milepost-called"), track);
    made.addEventListener("click", () => {
      this.onChoose(name);
    });
    item.append(made);
    this.list.append(item);
    this.drawn.set(name, made);
    return made;
  }

  private onKey(event: KeyboardEvent): void {
    const focused = document.activeElement;
    const place = Number(focused instanceof HTMLElement ? focused.dataset.place : NaN);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = step === undefined ? undefined : this.rows[place + step];
    if (next && step !== undefined) {
      const top = (place + step) * ROW;
      const { scrollTop, clientHeight } = this.window;
      if (top < scrollTop || top + ROW > scrollTop + clientHeight) {
        this.window.scrollTop = top - clientHeight / 2;
        this.fill();
      }
      this.drawn.get(next.task.name)?.focus();
      event.preventDefault();
      event.stopPropagation();
    }
  }
}

function row(task: TaskView, now: number): Row[] {
  const from = task.started ?? task.began ?? null;
  return from === null ? [] : [{ task, from, to: Math.max(from, task.started === null ? (task.ended ?? from) : now) }];
}
