/** Makers of elements, and writers that touch the page only where something changed. */

const SVG = "http://www.w3.org/2000/svg";

export type Attributes = Record<string, string | number>;

export function svg<K extends keyof SVGElementTagNameMap>(tag: K, attributes: Attributes = {}): SVGElementTagNameMap[K] {
  const made = document.createElementNS(SVG, tag);
  setAll(made, attributes);
  return made;
}

export function html<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  text = "",
  attributes: Attributes = {}
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  setAll(made, attributes);
  return made;
}

export function button(className: string, text: string, help: string, act: () => void): HTMLButtonElement {
  const made = html("button", className, text, { type: "button", title: help, "aria-label": help });
  made.addEventListener("click", act);
  return made;
}

export function setAll(target: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    target.setAttribute(name, String(value));
  }
}

/** Writing the same text again would make screen readers repeat it, and the page lay out anew. */
export function write(target: Element, text: string): void {
  if (target.textContent !== text) {
    target.textContent = text;
  }
}
