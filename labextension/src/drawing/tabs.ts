/** Tabs over panels of which one is shown. */

import { html } from "./elements";

let count = 0;

export class Tabs {
  readonly root = html("div", "milepost-tabs", "", { role: "tablist", "aria-label": "views of the tasks" });
  private readonly tabs: { tab: HTMLElement; panel: HTMLElement }[];

  /** `onShow` hears which panel is shown from now on. */
  constructor(panels: Record<string, HTMLElement>, private readonly onShow: (panel: HTMLElement) => void) {
    this.tabs = Object.entries(panels).map(([title, panel]) => {
      const tab = html("button", "", title, { type: "button", role: "tab", id: `milepost-tab-${(count += 1)}` });
      panel.setAttribute("role", "tabpanel");
      panel.setAttribute("aria-labelledby", tab.id);
      tab.addEventListener("click", () => {
        this.show(panel);
      });
      return { tab, panel };
    });
    this.root.append(...this.tabs.map(({ tab }) => tab));
    this.root.addEventListener("keydown", event => {
      this.onKey(event);
    });
    this.select(this.tabs[0]?.panel);
  }

  /** The title of the tab that is shown. */
  get title(): string {
    return this.tabs.find(({ panel }) => !panel.hidden)?.tab.textContent ?? "";
  }

  set title(title: string) {
    this.select(this.tabs.find(({ tab }) => tab.textContent === title)?.panel ?? this.tabs[0]?.panel);
  }

  show(shown: HTMLElement): void {
    this.select(shown);
    this.onShow(shown);
  }

  private select(shown: HTMLElement | undefined): void {
    for (const { tab, panel } of this.tabs) {
      panel.hidden = panel !== shown;
      tab.setAttribute("aria-selected", String(panel === shown));
      tab.tabIndex = panel === shown ? 0 : -1;
    }
  }

  private onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const at = this.tabs.findIndex(({ tab }) => tab === document.activeElement);
    const next = step === undefined || at < 0 ? undefined : this.tabs[(at + step + this.tabs.length) % this.tabs.length];
    if (next) {
      this.show(next.panel);
      next.tab.focus();
      event.preventDefault();
      event.stopPropagation();
    }
  }
}
