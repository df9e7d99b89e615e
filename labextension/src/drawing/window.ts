/** The part of a large drawing that is in its window: only that is kept in the page. */

export interface Area {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** Drawings of fewer boxes are kept whole. */
export const MANY = 200;
export const NOWHERE: Area = { left: 0, top: 0, right: -1, bottom: -1 };

export function meet(one: Area, other: Area): boolean {
  return one.left <= other.right && one.right >= other.left && one.top <= other.bottom && one.bottom >= other.top;
}

/** Shows or hides an element, and says whether that is new. */
export class Seen {
  private shown = true;

  constructor(
    private readonly element: SVGElement,
    private readonly area: Area
  ) {}

  get now(): boolean {
    return this.shown;
  }

  set(shown: boolean): boolean {
    if (shown === this.shown) {
      return false;
    }
    this.shown = shown;
    this.element.style.display = shown ? "" : "none";
    return true;
  }

  within(view: Area): boolean {
    return meet(this.area, view);
  }
}

/** The area that a path of SVG with absolute coordinates does not leave. */
export function extent(path: string): Area {
  const found = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  (path.match(/-?\d+(?:\.\d+)?/g) ?? []).map(Number).forEach((value, place) => {
    if (place % 2 === 0) {
      found.left = Math.min(found.left, value);
      found.right = Math.max(found.right, value);
    } else {
      found.top = Math.min(found.top, value);
      found.bottom = Math.max(found.bottom, value);
    }
  });
  return found;
}
