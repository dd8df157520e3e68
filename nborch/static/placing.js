// Placing: where items and arrows go, from left to right, those within others too.

import { Arrows } from "./arrows.js";
import { laidOut } from "./layout.js";
import { widthOf } from "./elements.js";
import { nameOf } from "./words.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./grouping.js").Arrangement} Arrangement
 * @typedef {[number, number]} Point
 * @typedef {import("./layout.js").Placement} Placement
 * @typedef {{x: number, width: number, card: number}} Column
 * @typedef {{items: Item[], placement: Placement, columns: Column[]}} Layer items that were
 *   placed in columns, side by side
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
   * @param {import("./layout.js").Path} path
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

/** Where everything goes. */
export class Scene {
  constructor() {
    /**
     * Those without others within.
     * @type {Item[]}
     */
    this.items = [];
    /**
     * Those that are open, the outer ones first.
     * @type {Item[]}
     */
    this.frames = [];
    /** @type {Layer[]} */
    this.layers = [];
    this.width = 0;
    this.height = 0;
  }

  /** @type {Edge[] | null} */
  #edges = null;

  /** How many lines there are. */
  get edgeCount() {
    return this.layers.reduce((sum, { placement }) => sum + placement.arrows.length, 0);
  }

  /** NB. Tens of thousands take time: they are made when somebody draws them. */
  get edges() {
    this.#edges ??= this.layers.flatMap(edgesOf);
    return this.#edges;
  }
}

/**
 * @param {Layer} layer
 * @returns {Edge[]}
 */
function edgesOf({ items, placement, columns }) {
  const { paths, start } = placement;
  return paths.map((path) => new Edge(items[path.from], items[path.to], path, columns, start));
}

export class Placer {
  constructor() {
    /**
     * Where things were across, by the item around them: they hardly move from there.
     * @type {Map<string, Placement>}
     */
    this.before = new Map();
  }

  /** Forget where things were: the next scene is laid out anew. */
  forget() {
    this.before.clear();
  }

  /**
   * Return where everything goes.
   * @param {Arrangement} arrangement
   * @param {number} room how wide the page is, in the units of the scene
   * @returns {Scene}
   */
  place(arrangement, room) {
    this.room = Math.max(room, 320);
    this.isMeasured = arrangement.all.length <= MEASURED;
    const scene = new Scene();
    const size = this.#fill("", arrangement.top, arrangement.arrows, scene);
    arrangement.all.forEach((item) => {
      const others = item.isOpen ? scene.frames : scene.items;
      item.rank = others.length;
      others.push(item);
    });
    // What was placed from 0 within others goes to where those are.
    for (const frame of scene.frames) {
      const [left, top] = originOf(frame);
      for (const item of frame.children) {
        item.x += left;
        item.y += top;
      }
    }
    return Object.assign(scene, size);
  }

  room = 960;
  isMeasured = true;

  /**
   * Place items side by side, from 0; return how much they take.
   * @param {string} name of what is around them
   * @param {Item[]} items
   * @param {Arrows} arrows
   * @param {Scene} scene
   * @returns {{width: number, height: number}}
   */
  #fill(name, items, arrows, scene) {
    items.forEach((item) => this.#measure(item, scene));
    const isBound = new Uint8Array(items.length);
    for (let arrow = 0; arrow < arrows.length; arrow += 1) {
      isBound[arrows.sources[arrow]] = isBound[arrows.targets[arrow]] = 1;
    }
    const loose = items.filter((item) => !isBound[item.number]);
    if (loose.length <= LOOSE) return this.#layer(name, items, arrows, scene);
    const bound = items.filter((item) => isBound[item.number]);
    const size = this.#layer(name, bound, among(bound, items.length, arrows), scene);
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
   * @param {Arrows} arrows
   * @param {Scene} scene
   */
  #layer(name, items, arrows, scene) {
    const ids = items.map((item) => item.id);
    const sizes = items.map((item) => item.height);
    const placement = laidOut(ids, sizes, arrows, ROW_GAP, this.before.get(name)?.anchors());
    this.before.set(name, placement);

    const columns = columnsOf(items, placement);
    const { layerOf, x } = placement.places;
    for (let n = 0; n < items.length; n += 1) {
      const item = items[n];
      const column = columns[layerOf[n]];
      item.x = column.x;
      item.y = x[n] - item.height / 2 - placement.start;
      // Cards of a column are as wide as the widest of them.
      if (!item.isOpen) item.width = column.card;
    }
    scene.layers.push({ items, placement, columns });
    const last = columns[columns.length - 1];
    return { width: last ? last.x + last.width : 0, height: placement.end - placement.start };
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
 * @param {Placement} placement
 * @returns {Column[]}
 */
function columnsOf(items, { depth, places: { layerOf } }) {
  const columns = Array.from({ length: depth }, () => ({ x: 0, width: 0, card: 0 }));
  for (let n = 0; n < items.length; n += 1) {
    const { width, isOpen } = items[n];
    const column = columns[layerOf[n]];
    if (column.width < width) column.width = width;
    if (!isOpen && column.card < width) column.card = width;
  }
  let x = 0;
  for (const column of columns) {
    column.x = x;
    x += column.width + COLUMN_GAP;
  }
  return columns;
}

/**
 * Return the arrows between some of the items, by the numbers that those have alone.
 * @param {Item[]} some which all arrows are between
 * @param {number} count how many items there are in all
 * @param {Arrows} arrows
 */
function among(some, count, { sources, targets }) {
  const numbers = new Int32Array(count);
  some.forEach((item, number) => {
    numbers[item.number] = number;
  });
  const found = new Arrows();
  sources.forEach((source, n) => found.add(numbers[source], numbers[targets[n]]));
  return found;
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
