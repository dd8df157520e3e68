// From far away: all cards of a state as one path, and arrows as straight lines.

import { set, shape } from "./elements.js";
import { isCached } from "./states.js";
import { sharesOf, stateOf } from "./telling.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./placing.js").Scene} Scene
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").State} State
 * @typedef {{state: State, isFaint: boolean, items: Item[]}} Group
 * @typedef {{left: number, top: number, right: number, bottom: number}} Part
 */

/** More lines than this are a grey cloud that tells nothing. */
const MOST_ARROWS = 3_000;

export class FarView {
  constructor() {
    this.lines = shape("path", { class: "nb-far-edges" });
    this.cards = shape("g");
    this.element = shape("g", { class: "nb-far", "aria-hidden": "true" }, this.lines, this.cards);
    /** @type {Map<string, {path: SVGPathElement, items: Item[]}>} */
    this.paths = new Map();
    /**
     * The outline of each item; it is the same until the scene changes.
     * @type {Map<Item, string>}
     */
    this.outlines = new Map();
    /** @type {Scene | null} */
    this.scene = null;
  }

  /** Whether states or the filter are others than when it was drawn. */
  isStale = true;

  /**
   * @param {Scene} scene
   * @param {RunModel} model
   * @param {((item: Item) => boolean) | null} filter
   */
  draw(scene, model, filter) {
    if (scene === this.scene && !this.isStale) return;
    this.isStale = false;
    if (scene !== this.scene) {
      this.scene = scene;
      this.outlines.clear();
      const { edges } = scene;
      set(this.lines, "d", edges.length > MOST_ARROWS ? "" : edges.map(straight).join(""));
    }
    const groups = groupsOf(scene, model, filter);
    for (const [key, { path }] of this.paths) {
      if (groups.has(key)) continue;
      path.remove();
      this.paths.delete(key);
    }
    for (const [key, group] of groups) {
      const drawn = this.paths.get(key) ?? this.#path(key, group);
      // NB. A path of thousands of boxes takes long to read: not if it is as before.
      if (isSame(drawn.items, group.items)) continue;
      drawn.items = group.items;
      drawn.path.setAttribute("d", group.items.map((item) => this.#outline(item)).join(""));
    }
  }

  /**
   * @param {string} key
   * @param {Group} group
   */
  #path(key, { state, isFaint }) {
    const path = shape("path", { class: "nb-far-cards" });
    set(path, "data-type", state.type);
    set(path, "data-state", isCached(state) ? "Cached" : "");
    path.classList.toggle("nb-faint", isFaint);
    this.cards.append(path);
    const drawn = { path, items: /** @type {Item[]} */ ([]) };
    this.paths.set(key, drawn);
    return drawn;
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

/**
 * Return the items that look the same from far away.
 * @param {Scene} scene
 * @param {RunModel} model
 * @param {((item: Item) => boolean) | null} filter
 */
function groupsOf(scene, model, filter) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const item of scene.items) {
    const { kind, node } = item;
    const state = kind === "many" ? stateOf(item, sharesOf(item, model.view)) : node.state;
    const isFaint = filter !== null && !filter(item);
    const key = `${state.type}${isCached(state) ? "*" : ""}${isFaint ? "-" : ""}`;
    const known = groups.get(key);
    if (known) known.items.push(item);
    else groups.set(key, { state, isFaint, items: [item] });
  }
  return groups;
}

/**
 * @param {Item[]} items
 * @param {Item[]} others
 */
function isSame(items, others) {
  return items.length === others.length && items.every((item, n) => item === others[n]);
}

/** @param {import("./placing.js").Edge} edge */
function straight({ points }) {
  return points.map(([x, y], n) => `${n ? "L" : "M"}${Math.round(x)} ${Math.round(y)}`).join("");
}
