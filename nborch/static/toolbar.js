// The toolbar: the views, how many runs are in which state, and the search.

import { element, say, set } from "./elements.js";
import { badge } from "./icons.js";
import { facetOf } from "./states.js";
import { numeral } from "./words.js";

/**
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./states.js").Facet} Facet
 * @typedef {"graph" | "timeline" | "table"} ViewName
 */

const VIEWS = /** @type {[ViewName, string][]} */ ([
  ["graph", "Graph"],
  ["timeline", "Timeline"],
  ["table", "Table"],
]);

export class Toolbar {
  /**
   * @param {RunModel} model
   * @param {object} told
   * @param {(view: ViewName) => void} told.view
   * @param {(filter: ((node: RunNode) => boolean) | null) => void} told.filter
   * @param {() => void} told.found goes to the first run that was found
   */
  constructor(model, told) {
    this.model = model;
    this.told = told;
    this.tabs = VIEWS.map(([view, label]) =>
      element(
        "button",
        { type: "button", class: "nb-tab", "data-view": view, click: () => told.view(view) },
        label,
      ),
    );
    this.counts = element("div", { class: "nb-counts", role: "group", "aria-label": "States" });
    this.search = element("input", {
      type: "search",
      class: "nb-search",
      placeholder: "Search  /",
      "aria-label": "Search runs",
      spellcheck: "false",
      autocomplete: "off",
      input: () => this.#changed(),
      keydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    });
    this.element = element(
      "div",
      { class: "nb-toolbar" },
      element("div", { class: "nb-tabs", role: "group", "aria-label": "View" }, ...this.tabs),
      this.counts,
      this.search,
    );
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** @type {Map<string, HTMLButtonElement>} */
    this.chips = new Map();
  }

  /** @param {ViewName} view */
  mark(view) {
    for (const tab of this.tabs) {
      set(tab, "aria-pressed", tab.getAttribute("data-view") === view ? "true" : "false");
    }
  }

  /** Show the counts as they are now; those that nothing is in any more stay if chosen. */
  update() {
    const { facets } = this.model.counts();
    const known = new Set(facets.map(({ facet }) => facet.key));
    for (const [key, chip] of this.chips) {
      if (known.has(key)) continue;
      if (this.chosen.has(key)) say(/** @type {Element} */ (chip.lastElementChild), "0");
      else {
        chip.remove();
        this.chips.delete(key);
      }
    }
    for (const { facet, count } of facets) {
      const chip = this.chips.get(facet.key) ?? this.#chip(facet);
      set(chip, "style", `order:${facets.findIndex((one) => one.facet === facet)}`);
      const told = chip.lastElementChild;
      if (told) say(told, numeral(count));
      set(chip, "aria-pressed", this.chosen.has(facet.key) ? "true" : "false");
    }
  }

  /** @param {Facet} facet */
  #chip(facet) {
    const toggle = () => {
      if (!this.chosen.delete(facet.key)) this.chosen.add(facet.key);
      this.update();
      this.#changed();
    };
    const chip = element(
      "button",
      { type: "button", class: "nb-chip", "data-key": facet.key, click: toggle },
      element("span", { class: "nb-line-sign" }, badge(facet.type, facet.name)),
      element("span", { class: "nb-chip-label" }, facet.label),
      element("span", { class: "nb-chip-count" }),
    );
    this.chips.set(facet.key, chip);
    this.counts.append(chip);
    return chip;
  }

  #changed() {
    this.told.filter(this.filter);
  }

  /**
   * What is to be seen, or null for all.
   * @returns {((node: RunNode) => boolean) | null}
   */
  get filter() {
    const words = this.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { chosen } = this;
    const { view } = this.model;
    if (!words.length && !chosen.size) return null;
    return (node) => {
      if (chosen.size && !chosen.has(facetOf(node.state, view).key)) return false;
      const text = `${node.name} ${node.of}`.toLowerCase();
      return words.every((word) => text.includes(word));
    };
  }

  get isFiltering() {
    return this.filter !== null;
  }

  clear() {
    this.search.value = "";
    this.chosen.clear();
    this.update();
    this.#changed();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Enter") {
      this.told.found();
      event.preventDefault();
    }
    // What is typed here moves nothing else.
    if (event.key !== "Escape") event.stopPropagation();
  }
}
