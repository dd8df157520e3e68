// Grouping: what is drawn of a run. Many runs of one task are one item, and so is a
// subflow that is closed. Items that are open have others within.

import { Arrows } from "./arrows.js";
import { Kinship } from "./kinship.js";
import { Numbering } from "./numbering.js";

/** @typedef {import("./protocol.js").RunNode} RunNode */

/** More runs of one task side by side are drawn as one. */
export const MANY = 12;

/** With more items to see, subflows are closed unless someone opens them. */
export const CROWD = 300;

/** Flows within flows further than this are not opened. */
const DEEPEST = 20;

/**
 * What most items have within. NB. One for all: of ten thousand lists that are empty the
 * collector makes a pause that is seen.
 */
const NOTHING = /** @type {never[]} */ (Object.freeze([]));
const NO_ARROWS = Object.freeze(new Arrows());

/** What is drawn as one: a run, many runs of one task, or a subflow. */
export class Item {
  /**
   * @param {string} id that of its node, or of its first one after "many:"
   * @param {"node" | "many" | "flow"} kind
   * @param {RunNode} node the run; of many the first one
   * @param {Item | null} around
   */
  constructor(id, kind, node, around) {
    this.id = id;
    this.kind = kind;
    this.node = node;
    /**
     * The runs that it stands for, if others than its node.
     * @type {RunNode[] | null}
     */
    this.runs = null;
    this.around = around;
    this.isOpen = false;
    /** Its number among those beside it, and among all in the scene. */
    this.number = 0;
    this.rank = 0;
    /** @type {Item[]} */
    this.children = NOTHING;
    /** Those between the children. */
    this.arrows = NO_ARROWS;
    this.x = 0;
    // NB. Not 0: where whole numbers turn into broken ones the browser makes ten thousand
    // items anew.
    this.y = NaN;
    this.width = 0;
    this.height = 0;
  }

  /**
   * How many are around it.
   * @returns {number}
   */
  get level() {
    return this.around ? this.around.level + 1 : 0;
  }

  /** The runs that it stands for, those within included. */
  get members() {
    return this.runs ?? [this.node];
  }
}

export class Arrangement {
  constructor() {
    /**
     * What the user has opened or closed.
     * @type {Map<string, boolean>}
     */
    this.chosen = new Map();
    this.isCrowded = false;
    /** @type {Item[]} */
    this.top = [];
    this.arrows = new Arrows();
    /**
     * All that is drawn, those around others before them.
     * @type {Item[]}
     */
    this.all = [];
    /** How many have no others within. */
    this.shownCount = 0;
  }

  /** @type {Map<string, Item> | null} */
  #items = null;

  #runs = new Numbering(new Map());
  #kinship = new Kinship(this.#runs);

  /**
   * The item that shows a run, by the run's number.
   * @type {(Item | undefined)[]}
   */
  #shown = [];

  /**
   * Arrange the nodes of a run, as they are now.
   * @param {Map<string, RunNode>} nodes
   */
  arrange(nodes) {
    this.#runs = new Numbering(nodes);
    this.#kinship = new Kinship(this.#runs);
    this.#build();
    // Once crowded it stays so: nothing opens and closes while a run goes on.
    if (!this.isCrowded && this.shownCount > CROWD && this.#hasOpenFlow()) {
      this.isCrowded = true;
      this.#build();
    }
    this.#connect();
  }

  /**
   * Return the item that shows a node.
   * @param {string} id
   */
  showing(id) {
    const run = this.#runs.numbers.get(id);
    return run === undefined ? undefined : this.#shown[run];
  }

  /**
   * All that is drawn, by id.
   * @returns {Map<string, Item>}
   */
  get items() {
    this.#items ??= new Map(this.all.map((item) => [item.id, item]));
    return this.#items;
  }

  #hasOpenFlow() {
    return this.all.some((item) => item.kind === "flow" && item.isOpen);
  }

  #build() {
    this.all = [];
    this.#items = null;
    this.#shown = new Array(this.#runs.count);
    this.top = this.#siblings(this.#runs.top, null);
    this.shownCount = this.all.filter((item) => !item.isOpen).length;
  }

  /**
   * @param {number[]} runs
   * @param {Item | null} around
   * @returns {Item[]}
   */
  #siblings(runs, around) {
    const { of, sizes } = this.#kinship;
    // NB. Most are one of a kind: a list for each of them would take long.
    /** @type {Map<number, number[]>} */
    const alike = new Map();
    runs.forEach((run) => {
      if (sizes[of[run]] <= MANY) return;
      const others = alike.get(of[run]);
      if (others) others.push(run);
      else alike.set(of[run], [run]);
    });
    /** @type {Item[]} */
    const items = [];
    runs.forEach((run) => {
      const members = alike.size ? alike.get(of[run]) : undefined;
      if (!members) this.#single(run, around, items);
      else if (members[0] === run) this.#many(members, around, items);
    });
    return items;
  }

  /**
   * @param {number[]} runs
   * @param {Item | null} around
   * @param {Item[]} siblings what the item is put to
   */
  #many(runs, around, siblings) {
    const nodes = runs.map((run) => this.#runs.runs[run]);
    const item = new Item(`many:${nodes[0].id}`, "many", nodes[0], around);
    item.runs = nodes;
    item.isOpen = this.chosen.get(item.id) ?? false;
    this.#put(item, siblings);
    if (item.isOpen) {
      item.children = [];
      for (const run of runs) this.#single(run, item, item.children);
    } else {
      for (const run of runs) this.#hide(run, item);
    }
  }

  /**
   * @param {number} run
   * @param {Item | null} around
   * @param {Item[]} siblings what the item is put to
   */
  #single(run, around, siblings) {
    const runs = this.#runs.within.get(run);
    const item = new Item(
      this.#runs.runs[run].id,
      runs ? "flow" : "node",
      this.#runs.runs[run],
      around,
    );
    this.#put(item, siblings);
    this.#shown[run] = item;
    if (!runs) return;
    const isOpen = !this.isCrowded && around?.kind !== "many";
    item.isOpen = item.level < DEEPEST && (this.chosen.get(item.id) ?? isOpen);
    item.runs = this.#leaves(runs);
    if (item.isOpen) item.children = this.#siblings(runs, item);
    else for (const hidden of runs) this.#hide(hidden, item);
  }

  /**
   * @param {Item} item
   * @param {Item[]} siblings
   */
  #put(item, siblings) {
    item.number = siblings.length;
    siblings.push(item);
    this.all.push(item);
  }

  /**
   * Note that a run and all within it are shown by an item.
   * @param {number} run
   * @param {Item} item
   */
  #hide(run, item) {
    const waiting = [run];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      this.#shown[next] = item;
      for (const inner of this.#runs.within.get(next) ?? []) waiting.push(inner);
    }
  }

  /**
   * Return the runs without others within, of those within a run.
   * @param {number[]} runs
   */
  #leaves(runs) {
    const found = [];
    const waiting = [...runs].reverse();
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const inner = this.#runs.within.get(next);
      if (!inner) found.push(this.#runs.runs[next]);
      else for (let n = inner.length - 1; n >= 0; n -= 1) waiting.push(inner[n]);
    }
    return found;
  }

  /** Find the arrows between items that stand side by side. */
  #connect() {
    this.arrows = new Arrows();
    this.all.forEach((item) => {
      if (item.isOpen) item.arrows = new Arrows();
    });
    const { count, starts, upstream } = this.#runs;
    /** To which run each was joined last: one may be told to be after another twice. */
    const joined = new Int32Array(count).fill(-1);
    /** @type {Map<Item, Set<Item>>} */
    const known = new Map();
    for (let run = 0; run < count; run += 1) {
      const item = this.#shown[run];
      if (!item) continue;
      for (let n = starts[run]; n < starts[run + 1]; n += 1) {
        const from = this.#shown[upstream[n]];
        if (!from || from === item || joined[upstream[n]] === run) continue;
        joined[upstream[n]] = run;
        const isPlain = item.kind === "node" && from.kind === "node";
        if (isPlain && item.around === from.around)
          this.#arrowsBeside(item).add(from.number, item.number);
        else this.#join(from, item, known);
      }
    }
  }

  /** @param {Item} item */
  #arrowsBeside(item) {
    return item.around?.arrows ?? this.arrows;
  }

  /**
   * Join two items, or those around them, unless they are.
   * @param {Item} one
   * @param {Item} other
   * @param {Map<Item, Set<Item>>} known
   */
  #join(one, other, known) {
    const pair = sideBySide(one, other);
    if (!pair) return;
    const [from, to] = pair;
    const reached = known.get(from) ?? new Set();
    if (reached.has(to)) return;
    known.set(from, reached.add(to));
    this.#arrowsBeside(from).add(from.number, to.number);
  }
}

/**
 * Return two items, or those around them that stand side by side.
 * @param {Item} one
 * @param {Item} other
 * @returns {[Item, Item] | null} null if one is within the other
 */
function sideBySide(one, other) {
  /** @type {Item | null} */
  let a = one;
  /** @type {Item | null} */
  let b = other;
  while (a && b && a.around !== b.around) {
    if (a.level > b.level) a = a.around;
    else if (b.level > a.level) b = b.around;
    else {
      a = a.around;
      b = b.around;
    }
  }
  return a && b && a !== b ? [a, b] : null;
}
