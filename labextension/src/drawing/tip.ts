/** What flows along the arrow under the pointer, said beside it. */

import type { EdgePath } from "../protocol";
import { html, write } from "./elements";

export class Tip {
  readonly root = html("div", "milepost-tooltip", "", { role: "tooltip" });

  /** `over` finds the arrow at a place of the page, `words` says what flows along it. */
  constructor(
    private readonly frame: HTMLElement,
    over: (target: EventTarget | null) => EdgePath | undefined,
    words: (edge: EdgePath) => string
  ) {
    this.root.hidden = true;
    frame.append(this.root);
    frame.addEventListener("pointermove", event => {
      const edge = event.buttons === 0 ? over(event.target) : undefined;
      this.root.hidden = !edge;
      if (edge) {
        write(this.root, words(edge));
        this.place(event);
      }
    });
    frame.addEventListener("pointerleave", () => {
      this.root.hidden = true;
    });
  }

  private place(event: PointerEvent): void {
    const frame = this.frame.getBoundingClientRect();
    const { offsetWidth, offsetHeight } = this.root;
    const left = Math.max(4, Math.min(event.clientX - frame.left + 12, frame.width - offsetWidth - 6));
    const below = event.clientY - frame.top + 14;
    const top = below + offsetHeight > frame.height ? below - offsetHeight - 24 : below;
    this.root.style.left = `${left}px`;
    this.root.style.top = `${Math.max(2, top)}px`;
  }
}
