// From far away: cards as boxes in the colours of their states, arrows as straight lines.

import { set, shape } from "./elements.js";
import { isCached } from "./states.js";
import { sharesOf, stateOf } from "./telling.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./placing.js").Scene} Scene
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").State} State
 * @typedef {{left: number, top: number, right: number, bottom: number}} Part
 *
 * @typedef {object} Looks what decides how items look
 * @property {RunModel} model
 * @property {((item: Item) => boolean) | null} filter
 */

/** More lines than this are a grey cloud that tells nothing. */
const MOST_ARROWS = 3_000;

/** So many items are drawn together: those in sight, and anew when one has changed. */
const TILE = 500;

export class FarView {
  constructor() {
    this.lines = shape("path", { class: "nb-far-edges" });
    this.cards = shape("g");
    this.element = shape("g", { class: "nb-far", "aria-hidden": "true" }, this.lines, this.cards);
    /** @type {Tile[]} */
    this.tiles = [];
    /** @type {Scene | null} */
    this.scene = null;
  }

  /**
   * Note that the states of items are others than when they were drawn.
   * @param {Iterable<Item>} items
   */
  change(items) {
    for (const { rank } of items) {
      const tile = this.tiles[Math.floor(rank / TILE)];
      if (tile) tile.isStale = true;
    }
  }

  /** Note that anything may look other than when it was drawn. */
  changeAll() {
    for (const tile of this.tiles) tile.isStale = true;
  }

  /**
   * @param {Scene} scene
   * @param {Looks} looks
   * @param {Part} [seen] what is to be drawn, else all
   */
  draw(scene, looks, seen) {
    if (scene !== this.scene) this.#begin(scene);
    for (const tile of this.tiles) {
      if (tile.isStale && (!seen || tile.crosses(seen))) tile.draw(looks);
    }
  }

  /** @param {Scene} scene */
  #begin(scene) {
    this.scene = scene;
    const isCloud = scene.edgeCount > MOST_ARROWS;
    set(this.lines, "d", isCloud ? "" : scene.edges.map(straight).join(""));
    this.cards.replaceChildren();
    this.tiles = [];
    for (let n = 0; n < scene.items.length; n += TILE) {
      this.tiles.push(new Tile(scene.items.slice(n, n + TILE), this.cards));
    }
  }
}

/** Some items: all of them that look the same are one path. */
class Tile {
  /**
   * @param {Item[]} items
   * @param {SVGGElement} parent
   */
  constructor(items, parent) {
    this.items = items;
    this.parent = parent;
    this.isStale = true;
    /** @type {Map<string, SVGPathElement>} */
    this.paths = new Map();
    this.left = this.top = Infinity;
    this.right = this.bottom = -Infinity;
    items.forEach(({ x, y, width, height }) => {
      if (x < this.left) this.left = x;
      if (y < this.top) this.top = y;
      if (x + width > this.right) this.right = x + width;
      if (y + height > this.bottom) this.bottom = y + height;
    });
  }

  /** @param {Part} part */
  crosses({ left, top, right, bottom }) {
    return this.left < right && this.right > left && this.top < bottom && this.bottom > top;
  }

  /** @param {Looks} looks */
  draw({ model, filter }) {
    this.isStale = false;
    /** @type {Map<string, string>} */
    const outlines = new Map();
    for (const item of this.items) {
      const { kind, node } = item;
      const state = kind === "many" ? stateOf(item, sharesOf(item, model.view)) : node.state;
      const isFaint = filter !== null && !filter(item);
      let key = state.type;
      if (isCached(state)) key += "*";
      if (isFaint) key += "-";
      if (!this.paths.has(key)) this.#add(key, state, isFaint);
      outlines.set(key, (outlines.get(key) ?? "") + outlineOf(item));
    }
    // What nothing looks like any more stays as an empty path: it may come back.
    for (const [key, path] of this.paths) set(path, "d", outlines.get(key) ?? "");
  }

  /**
   * @param {string} key
   * @param {State} state
   * @param {boolean} isFaint
   */
  #add(key, state, isFaint) {
    const path = shape("path", { class: "nb-far-cards", "data-type": state.type });
    set(path, "data-state", isCached(state) ? "Cached" : "");
    path.classList.toggle("nb-faint", isFaint);
    this.parent.append(path);
    this.paths.set(key, path);
  }
}

/** @param {Item} item */
function outlineOf({ x, y, width, height }) {
  const wide = Math.round(width);
  return `M${Math.round(x)} ${Math.round(y)}h${wide}v${height}h-${wide}z`;
}

/** @param {import("./placing.js").Edge} edge */
function straight({ points }) {
  return points.map(([x, y], n) => `${n ? "L" : "M"}${Math.round(x)} ${Math.round(y)}`).join("");
}
