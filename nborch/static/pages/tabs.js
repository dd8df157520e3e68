// Tabs: the parts of a page, each with an address of its own.

import { element, set } from "../elements.js";

/**
 * @typedef {object} Tab
 * @property {string} name stands in the address, behind the "#"
 * @property {string} label
 * @property {() => HTMLElement} show returns what is shown; called at each turn to it
 * @property {() => void} [hide]
 */

export class Tabs {
  /**
   * @param {Tab[]} tabs
   * @param {string} start which one is shown if the address names none
   */
  constructor(tabs, start) {
    this.tabs = tabs;
    this.start = start;
    /** @type {Map<string, HTMLElement>} */
    this.links = new Map();
    for (const { name, label } of tabs) {
      this.links.set(
        name,
        element("a", { href: `#${name}`, "data-tab": name }, element("span", {}, label)),
      );
    }
    this.nav = element("nav", { class: "tabs", "aria-label": "Parts" }, ...this.links.values());
    this.place = element("div", { class: "tab-place" });
    window.addEventListener("hashchange", () => this.turn());
  }

  /** @type {Tab | null} */
  current = null;

  /** Show the part that the address names. */
  turn() {
    const wanted = decodeURIComponent(location.hash.slice(1)) || this.start;
    const next = this.tabs.find(({ name }) => name === wanted) ?? this.tabs[0];
    if (next === this.current) return;
    this.current?.hide?.();
    this.current = next;
    for (const [name, link] of this.links) {
      set(link, "aria-current", name === next.name ? "true" : null);
    }
    const shown = next.show();
    if (this.place.firstElementChild !== shown) this.place.replaceChildren(shown);
    this.links.get(next.name)?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /**
   * @param {string} name
   * @param {HTMLElement | null} mark stands behind the label
   */
  mark(name, mark) {
    const link = this.links.get(name);
    link?.querySelector(".tab-mark")?.remove();
    if (mark) link?.append(mark);
  }

  /**
   * @param {import("./keys.js").Keys} keys
   */
  addKeys(keys) {
    this.tabs.slice(0, 9).forEach(({ name, label }, n) => {
      keys.add(String(n + 1), `Show ${label}`, () => {
        location.hash = name;
      });
    });
  }
}
