// Placing: where items and arrows go, from left to right, those within others too.

import { placed } from "./layout.js";
import { widthOf } from "./elements.js";
import { nameOf } from "./words.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./grouping.js").Arrangement} Arrangement
 * @typedef {[number, number]} Point
 * @typedef {{x: number, width: number, card: number}} Column
 *
 * @typedef {object} Scene
 * @property {Item[]} items those without others within
 * @property {Item[]} frames those that are open, the outer ones first
 * @property {Edge[]} edges
 * @property {number} width
 * @property {number} height
 */

export const CARD_HEIGHT = 42;
export const LABEL_FONT = "600 12px system-ui, sans-serif";

/** Between cards of a column, and between columns. */
const ROW_GAP = 12;
const COLUMN_GAP = 40;

const NARROWEST = 126;
const WIDEST = 220;

/** What a frame adds around what is within: at its sides, and above for its title. */
const FRAME = 12;
const TITLE = 32;

/** More items that nothing connects are set in rows. */
const LOOSE = 5;

/** Measuring more names than this would cost more than it brings. */
const MEASURED = 2_000;

/** A line from an item to one that depends on it. */
export class Edge {
  /**
   * @param {Item} from
   * @param {Item} to
   * @param {import("./layout.js").Placement["paths"][0]} path
   * @param {Column[]} columns
   * @param {number} start where the layout begins across
   */
  constructor(from, to, path, columns, start) {
    this.from = from;
    this.to = to;
    this.path = path;
    this.columns = columns;
    this.start = start;
  }

  /** @type {Point[] | null} */
  #points = null;

  get id() {
    return `${this.from.id}\n${this.to.id}`;
  }

  /** What it goes through. Of a large scene, only those that are seen are asked. */
  get points() {
    this.#points ??= this.#trace();
    return this.#points;
  }

  /** @returns {Point[]} */
  #trace() {
    const { from, to, columns } = this;
    const { places } = this.path;
    const [left, top] = originOf(from.around);
    const level = from.y + from.height / 2;
    /** @type {Point[]} */
    const points = [[from.x + from.width, level]];
    const column = columns[places[0].layer];
    // Past what is wider in its column, it goes straight.
    if (column.width > from.width + 1) points.push([left + column.x + column.width, level]);
    for (const { layer, across } of places.slice(1, -1)) {
      const { x, width } = columns[layer];
      const y = top + across - this.start;
      points.push([left + x, y], [left + x + width, y]);
    }
    points.push([to.x, to.y + to.height / 2]);
    return points;
  }
}

export class Placer {
  constructor() {
    /**
     * Where things were across, by the item around them: they hardly move from there.
     * @type {Map<string, () => Map<string, number>>}
     */
    this.anchors = new Map();
  }

  /** Forget where things were: the next scene is laid out anew. */
  forget() {
    this.anchors.clear();
  }

  /**
   * Return where everything goes.
   * @param {Arrangement} arrangement
   * @param {number} room how wide the page is, in the units of the scene
   * @returns {Scene}
   */
  place(arrangement, room) {
    this.room = Math.max(room, 320);
    this.isMeasured = arrangement.items.size <= MEASURED;
    /** @type {Scene} */
    const scene = { items: [], frames: [], edges: [], width: 0, height: 0 };
    const size = this.#fill("", arrangement.top, arrangement.arrows, scene);
    for (const item of arrangement.items.values()) {
      (item.isOpen ? scene.frames : scene.items).push(item);
    }
    move(arrangement.top);
    return { ...scene, ...size };
  }

  room = 960;
  isMeasured = true;

  /**
   * Place items side by side, from 0; return how much they take.
   * @param {string} name of what is around them
   * @param {Item[]} items
   * @param {[Item, Item][]} arrows
   * @param {Scene} scene
   * @returns {{width: number, height: number}}
   */
  #fill(name, items, arrows, scene) {
    for (const item of items) this.#measure(item, scene);
    const connected = new Set();
    for (const [from, to] of arrows) connected.add(from).add(to);
    const loose = items.filter((item) => !connected.has(item));
    const isGrid = loose.length > LOOSE;
    const bound = isGrid ? items.filter((item) => connected.has(item)) : items;
    const size = this.#layer(name, bound, arrows, scene);
    if (!isGrid) return size;
    const top = bound.length ? size.height + 2 * ROW_GAP : 0;
    // Alone they fill the page; within others they are about twice as wide as high.
    const rows = this.#shelve(loose, top, name === "" ? this.room - 2 * FRAME : 0);
    return { width: Math.max(size.width, rows.width), height: rows.height };
  }

  /**
   * Find out how large an item is, and place what is within it.
   * @param {Item} item
   * @param {Scene} scene
   */
  #measure(item, scene) {
    if (item.isOpen) {
      const size = this.#fill(item.id, item.children, item.arrows, scene);
      item.width = Math.max(size.width, this.#labelWidth(item) + 60) + 2 * FRAME;
      item.height = size.height + TITLE + FRAME;
      return;
    }
    const width = this.#labelWidth(item) + (item.kind === "node" ? 50 : 84);
    item.width = Math.round(Math.min(WIDEST, Math.max(NARROWEST, width)));
    item.height = CARD_HEIGHT;
  }

  /** @param {Item} item */
  #labelWidth(item) {
    const label = labelOf(item);
    return this.isMeasured ? widthOf(label.slice(0, 60), LABEL_FONT) : label.length * 7;
  }

  /**
   * Place items in columns, each after those that it depends on.
   * @param {string} name
   * @param {Item[]} items
   * @param {[Item, Item][]} arrows
   * @param {Scene} scene
   */
  #layer(name, items, arrows, scene) {
    const sizes = new Map(items.map((item) => [item.id, item.height]));
    const told = arrows.map((pair) => /** @type {[string, string]} */ ([pair[0].id, pair[1].id]));
    const found = placed(sizes, told, ROW_GAP, this.anchors.get(name)?.());
    this.anchors.set(name, found.anchors);

    const columns = columnsOf(items, found);
    const { layerOf, x } = found.places;
    items.forEach((item, n) => {
      const column = columns[layerOf[n]];
      item.x = column.x;
      item.y = x[n] - item.height / 2 - found.start;
      // Cards of a column are as wide as the widest of them.
      if (!item.isOpen) item.width = column.card;
    });
    for (const path of found.paths) {
      const { from, to } = path;
      scene.edges.push(new Edge(items[from], items[to], path, columns, found.start));
    }
    const last = columns[columns.length - 1];
    return { width: last ? last.x + last.width : 0, height: found.end - found.start };
  }

  /**
   * Place items in rows, like words on a page.
   * @param {Item[]} items
   * @param {number} top
   * @param {number} least how wide rows may be in any case
   */
  #shelve(items, top, least) {
    const widest = Math.max(...items.map((item) => item.width));
    for (const item of items) if (!item.isOpen) item.width = Math.max(item.width, NARROWEST);
    const area = items.reduce(
      (sum, item) => sum + (item.width + ROW_GAP) * (item.height + ROW_GAP),
      0,
    );
    const limit = Math.max(Math.sqrt(area * 2.2), least, widest);
    const isEven = items.every((item) => !item.isOpen);
    let [x, y, high, width] = [0, top, 0, 0];
    for (const item of items) {
      if (isEven) item.width = widest;
      if (x > 0 && x + item.width > limit) {
        [x, y, high] = [0, y + high + ROW_GAP, 0];
      }
      [item.x, item.y] = [x, y];
      x += item.width + ROW_GAP;
      high = Math.max(high, item.height);
      width = Math.max(width, x - ROW_GAP);
    }
    return { width, height: y + high };
  }
}

/**
 * Return where each column begins, how wide it is, and how wide its cards are.
 * @param {Item[]} items
 * @param {import("./layout.js").Placement} found
 */
function columnsOf(items, found) {
  const columns = Array.from({ length: found.depth }, () => ({ x: 0, width: 0, card: 0 }));
  items.forEach((item, n) => {
    const column = columns[found.places.layerOf[n]];
    column.width = Math.max(column.width, item.width);
    if (!item.isOpen) column.card = Math.max(column.card, item.width);
  });
  let x = 0;
  for (const column of columns) {
    column.x = x;
    x += column.width + COLUMN_GAP;
  }
  return columns;
}

/**
 * Move items, which were placed from 0 within what is around them, to where that is.
 * @param {Item[]} items
 */
function move(items) {
  const waiting = [...items];
  for (let item = waiting.pop(); item; item = waiting.pop()) {
    const [left, top] = originOf(item.around);
    item.x += left;
    item.y += top;
    if (item.isOpen) for (const inner of item.children) waiting.push(inner);
  }
}

/**
 * Return where the first thing within an item is.
 * @param {Item | null} around
 * @returns {Point}
 */
function originOf(around) {
  return around ? [around.x + FRAME, around.y + TITLE] : [0, 0];
}

/**
 * Return what an item is called.
 * @param {Item} item
 */
export function labelOf(item) {
  return item.kind === "many" ? item.node.of || item.node.name : nameOf(item.node);
}
