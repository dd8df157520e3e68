// From far away: all cards of a state as one path, and arrows as straight lines.

import { set, shape } from "./elements.js";
import { sharesOf, stateOf } from "./telling.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./placing.js").Scene} Scene
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").State} State
 * @typedef {{left: number, top: number, right: number, bottom: number}} Part
 */

/** More lines than this are a grey cloud that tells nothing. */
const MOST_ARROWS = 3_000;

export class FarView {
  constructor() {
    this.lines = shape("path", { class: "nb-far-edges" });
    this.cards = shape("g");
    this.element = shape("g", { class: "nb-far", "aria-hidden": "true" }, this.lines, this.cards);
    /** @type {Map<string, SVGPathElement>} */
    this.paths = new Map();
    /**
     * The outline of each item; it is the same until the scene changes.
     * @type {Map<Item, string>}
     */
    this.outlines = new Map();
    /** @type {Scene | null} */
    this.scene = null;
  }

  /**
   * @param {Scene} scene
   * @param {RunModel} model
   * @param {((item: Item) => boolean) | null} filter
   */
  draw(scene, model, filter) {
    if (scene !== this.scene) {
      this.scene = scene;
      this.outlines.clear();
      const { edges } = scene;
      set(this.lines, "d", edges.length > MOST_ARROWS ? "" : edges.map(straight).join(""));
    }
    /** @type {Map<string, {state: State, isFaint: boolean, parts: string[]}>} */
    const found = new Map();
    for (const item of scene.items) {
      const state = item.kind === "many" ? stateOf(item, sharesOf(item, model.view)) : item.node.state;
      const isFaint = filter !== null && !filter(item);
      const key = `${state.type}\n${state.name === "Cached" ? "Cached" : ""}\n${isFaint}`;
      const known = found.get(key);
      if (known) known.parts.push(this.#outline(item));
      else found.set(key, { state, isFaint, parts: [this.#outline(item)] });
    }
    for (const [key, path] of this.paths) {
      if (found.has(key)) continue;
      path.remove();
      this.paths.delete(key);
    }
    for (const [key, { state, isFaint, parts }] of found) {
      const path = this.paths.get(key) ?? shape("path", { class: "nb-far-cards" });
      if (!this.paths.has(key)) {
        this.paths.set(key, path);
        this.cards.append(path);
        set(path, "data-type", state.type);
        set(path, "data-state", state.name === "Cached" ? "Cached" : "");
        path.classList.toggle("nb-faint", isFaint);
      }
      set(path, "d", parts.join(""));
    }
  }

  /** @param {Item} item */
  #outline(item) {
    const known = this.outlines.get(item);
    if (known) return known;
    const [x, y, width] = [item.x, item.y, item.width].map(Math.round);
    const outline = `M${x} ${y}h${width}v${item.height}h-${width}z`;
    this.outlines.set(item, outline);
    return outline;
  }
}

/** @param {import("./placing.js").Edge} edge */
function straight({ points }) {
  return points
    .map(([x, y], n) => `${n ? "L" : "M"}${Math.round(x)} ${Math.round(y)}`)
    .join("");
}
