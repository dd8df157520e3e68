// Grouping: what is drawn of a run. Many runs of one task are one item, and so is a
// subflow that is closed. Items that are open have others within.

/**
 * @typedef {import("./protocol.js").RunNode} RunNode
 *
 * @typedef {object} Item
 * @property {string} id that of its node, or of its first one after "many:"
 * @property {"node" | "many" | "flow"} kind
 * @property {RunNode} node the run; of many the first one
 * @property {RunNode[]} members the runs that it stands for, those within included
 * @property {Item | null} around
 * @property {number} level how many are around it
 * @property {boolean} isOpen
 * @property {Item[]} children
 * @property {[Item, Item][]} arrows between the children
 * @property {number} x
 * @property {number} y
 * @property {number} width
 * @property {number} height
 */

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
    /** @type {[Item, Item][]} */
    this.arrows = [];
    /**
     * All that is drawn, by id.
     * @type {Map<string, Item>}
     */
    this.items = new Map();
    /**
     * The item that shows a node, by the node's id.
     * @type {Map<string, Item>}
     */
    this.shown = new Map();
  }

  /**
   * Arrange the nodes of a run, as they are now.
   * @param {Map<string, RunNode>} nodes
   */
  arrange(nodes) {
    const within = childrenOf(nodes);
    const classes = classesOf(nodes);
    this.#build(nodes, within, classes);
    // Once crowded it stays so: nothing opens and closes while a run goes on.
    if (!this.isCrowded && this.shownCount > CROWD && this.#hasOpenFlow()) {
      this.isCrowded = true;
      this.#build(nodes, within, classes);
    }
    this.#connect(nodes);
  }

  /** The number of items without others within. */
  get shownCount() {
    let count = 0;
    for (const item of this.items.values()) if (!item.isOpen) count += 1;
    return count;
  }

  #hasOpenFlow() {
    for (const item of this.items.values()) if (item.kind === "flow" && item.isOpen) return true;
    return false;
  }

  /**
   * @param {Map<string, RunNode>} nodes
   * @param {Map<string | null, RunNode[]>} within
   * @param {Map<string, number>} classes
   */
  #build(nodes, within, classes) {
    this.items = new Map();
    this.shown = new Map();
    this.top = this.#siblings(within.get(null) ?? [], null, within, classes);
  }

  /**
   * @param {RunNode[]} runs
   * @param {Item | null} around
   * @param {Map<string | null, RunNode[]>} within
   * @param {Map<string, number>} classes
   * @returns {Item[]}
   */
  #siblings(runs, around, within, classes) {
    /** @type {Map<number, number>} */
    const counts = new Map();
    for (const run of runs) {
      const of = classes.get(run.id) ?? -1;
      counts.set(of, (counts.get(of) ?? 0) + 1);
    }
    // NB. Most are one of a kind: a list for each of them would take long.
    /** @type {Map<number, RunNode[]>} */
    const alike = new Map();
    for (const run of runs) {
      const of = classes.get(run.id) ?? -1;
      if ((counts.get(of) ?? 0) <= MANY) continue;
      const others = alike.get(of);
      if (others) others.push(run);
      else alike.set(of, [run]);
    }
    const items = [];
    for (const run of runs) {
      const members = alike.get(classes.get(run.id) ?? -1);
      if (!members) items.push(this.#single(run, around, within, classes));
      else if (members[0] === run) items.push(this.#many(members, around, within, classes));
    }
    return items;
  }

  /**
   * @param {RunNode[]} runs
   * @param {Item | null} around
   * @param {Map<string | null, RunNode[]>} within
   * @param {Map<string, number>} classes
   */
  #many(runs, around, within, classes) {
    const item = made(`many:${runs[0].id}`, "many", runs[0], around);
    item.members = runs;
    item.isOpen = this.chosen.get(item.id) ?? false;
    this.items.set(item.id, item);
    if (item.isOpen) {
      item.children = runs.map((run) => this.#single(run, item, within, classes));
    } else {
      for (const run of runs) this.#hide(run, item, within);
    }
    return item;
  }

  /**
   * @param {RunNode} run
   * @param {Item | null} around
   * @param {Map<string | null, RunNode[]>} within
   * @param {Map<string, number>} classes
   * @returns {Item}
   */
  #single(run, around, within, classes) {
    const runs = within.get(run.id) ?? [];
    const item = made(run.id, runs.length ? "flow" : "node", run, around);
    this.items.set(item.id, item);
    this.shown.set(run.id, item);
    if (runs.length) {
      const isOpen = !this.isCrowded && around?.kind !== "many";
      item.isOpen = item.level < DEEPEST && (this.chosen.get(item.id) ?? isOpen);
      item.members = leaves(run, within);
      if (item.isOpen) item.children = this.#siblings(runs, item, within, classes);
      else for (const hidden of runs) this.#hide(hidden, item, within);
    }
    return item;
  }

  /**
   * Note that a run and all within it are shown by an item.
   * @param {RunNode} run
   * @param {Item} item
   * @param {Map<string | null, RunNode[]>} within
   */
  #hide(run, item, within) {
    const waiting = [run];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      this.shown.set(next.id, item);
      for (const inner of within.get(next.id) ?? []) waiting.push(inner);
    }
  }

  /**
   * Find the arrows between items that stand side by side.
   * @param {Map<string, RunNode>} nodes
   */
  #connect(nodes) {
    this.arrows = [];
    for (const item of this.items.values()) if (item.isOpen) item.arrows = [];
    /** @type {Map<Item, Set<Item>>} */
    const known = new Map();
    for (const node of nodes.values()) {
      const item = this.shown.get(node.id);
      if (!item) continue;
      for (const id of node.upstream) {
        const from = this.shown.get(id);
        const pair = from && from !== item ? sideBySide(from, item) : null;
        if (!pair) continue;
        const reached = known.get(pair[0]) ?? new Set();
        if (reached.has(pair[1])) continue;
        known.set(pair[0], reached.add(pair[1]));
        (pair[0].around?.arrows ?? this.arrows).push(pair);
      }
    }
  }
}

/**
 * @param {string} id
 * @param {"node" | "many" | "flow"} kind
 * @param {RunNode} node
 * @param {Item | null} around
 * @returns {Item}
 */
function made(id, kind, node, around) {
  return {
    id,
    kind,
    node,
    members: [node],
    around,
    level: around ? around.level + 1 : 0,
    isOpen: false,
    children: NOTHING,
    arrows: NOTHING,
    x: 0,
    y: 0,
    width: 0,
    height: 0,
  };
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

/**
 * Return the nodes by their parents, in the order in which they came to be.
 * @param {Map<string, RunNode>} nodes
 */
function childrenOf(nodes) {
  /** @type {Map<string | null, RunNode[]>} */
  const within = new Map();
  for (const node of ordered(nodes)) {
    const parent = isRooted(node, nodes) ? node.parent : null;
    const others = within.get(parent);
    if (others) others.push(node);
    else within.set(parent, [node]);
  }
  return within;
}

/** @param {Map<string, RunNode>} nodes */
function ordered(nodes) {
  const all = [...nodes.values()];
  const isSorted = all.every((node, n) => n === 0 || all[n - 1].order <= node.order);
  return isSorted ? all : all.sort((a, b) => a.order - b.order);
}

/**
 * Tell whether a node's parents are known, and lead out of it.
 * @param {RunNode} node
 * @param {Map<string, RunNode>} nodes
 */
function isRooted(node, nodes) {
  if (node.parent === null || !nodes.has(node.parent)) return false;
  let parent = nodes.get(node.parent);
  for (let steps = 0; parent; steps += 1) {
    if (parent === node || steps > nodes.size) return false;
    parent = parent.parent === null ? undefined : nodes.get(parent.parent);
  }
  return true;
}

/**
 * Return the runs without others within, of a run that has some.
 * @param {RunNode} run
 * @param {Map<string | null, RunNode[]>} within
 */
function leaves(run, within) {
  const found = [];
  const waiting = [...(within.get(run.id) ?? [])].reverse();
  for (let next = waiting.pop(); next; next = waiting.pop()) {
    const inner = within.get(next.id);
    if (!inner) found.push(next);
    else for (let n = inner.length - 1; n >= 0; n -= 1) waiting.push(inner[n]);
  }
  return found;
}

/**
 * Return a number for each node: the same for those that may be drawn as one.
 *
 * They are runs of one task side by side, after runs that may be drawn as one, too. So
 * a map over the results of a map is two items. No circle comes of it: what a class is
 * after has been numbered before it.
 * @param {Map<string, RunNode>} nodes
 * @returns {Map<string, number>}
 */
function classesOf(nodes) {
  /** @type {Map<string, number>} */
  const classes = new Map();
  /** @type {Map<string, number>} */
  const numbers = new Map();
  /** @type {Set<string>} */
  const begun = new Set();
  /** @type {RunNode[]} */
  const waiting = [];
  /** @param {RunNode} node */
  const number = (node) => {
    const key = keyOf(node, classes);
    const known = numbers.get(key) ?? numbers.size;
    numbers.set(key, known);
    classes.set(node.id, known);
  };
  for (const node of nodes.values()) {
    // Most come after all that they depend on.
    if (node.upstream.every((id) => classes.has(id) || !nodes.has(id))) {
      if (!classes.has(node.id)) number(node);
      continue;
    }
    waiting.push(node);
    while (waiting.length) {
      const next = waiting[waiting.length - 1];
      const length = waiting.length;
      if (!begun.has(next.id)) {
        begun.add(next.id);
        for (const id of next.upstream) {
          const isSeen = classes.has(id) || begun.has(id);
          const upstream = isSeen ? undefined : nodes.get(id);
          if (upstream) waiting.push(upstream);
        }
        if (waiting.length > length) continue;
      }
      waiting.pop();
      if (!classes.has(next.id)) number(next);
    }
  }
  return classes;
}

/**
 * @param {RunNode} node
 * @param {Map<string, number>} classes
 */
function keyOf(node, classes) {
  if (node.kind === "cell") return `cell|${node.id}`;
  /** @type {number[]} */
  const after = [];
  for (const id of node.upstream) {
    const number = classes.get(id);
    if (number !== undefined) after.push(number);
  }
  const upstream = after.length > 1 ? [...new Set(after)].sort((a, b) => a - b) : after;
  return `${upstream.join()}|${node.parent}|${node.kind}|${node.of}`;
}
