// The model: the run as the messages tell it, in their order.

import { oneLine } from "./words.js";
import { compareProgress, facetOf, isOver } from "./states.js";

/**
 * @typedef {import("./protocol.js").Attempt} Attempt
 * @typedef {import("./protocol.js").Delta} Delta
 * @typedef {import("./protocol.js").Run} Run
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./protocol.js").Snapshot} Snapshot
 * @typedef {import("./protocol.js").State} State
 * @typedef {import("./states.js").Facet} Facet
 *
 * @typedef {object} Change what a message has changed
 * @property {boolean} all everything is another than before
 * @property {boolean} shape nodes or what they depend on are others than before
 * @property {Set<string>} nodes
 */

export class RunModel {
  /** @param {boolean} [isKept] whether it stays as it is: time does not go on */
  constructor(isKept = false) {
    this.isKept = isKept;
    /** @type {Run | null} */
    this.run = null;
    /** @type {"run" | "cells"} */
    this.view = "run";
    /** @type {Map<string, RunNode>} */
    this.nodes = new Map();
    this.seq = -1;
    /** How far the browser's clock is ahead of Python's, in seconds. */
    this.ahead = 0;
  }

  /** The time now, by Python's clock. */
  now() {
    if (this.isKept) return this.keptAt;
    return Date.now() / 1000 - this.ahead;
  }

  /**
   * Take a message in; return what has changed, or "gap" if one before it is missing.
   * @param {Snapshot | Delta} message
   * @returns {Change | "gap" | null} null for what is known already
   */
  apply(message) {
    this.#counted = null;
    if (message.type === "snapshot") return this.#replace(message);
    if (message.seq <= this.seq) return null;
    if (this.run === null || message.seq !== this.seq + 1) return "gap";
    this.seq = message.seq;
    this.#tune(message.now);
    if (message.run) this.run = completeRun(message.run);
    /** @type {Change} */
    const change = { all: false, shape: false, nodes: new Set() };
    for (const told of message.nodes ?? []) {
      const node = complete(told);
      const before = this.nodes.get(node.id);
      change.shape ||= !before || movesWithin(before, node);
      this.nodes.set(node.id, node);
      change.nodes.add(node.id);
    }
    for (const id of message.gone ?? []) {
      if (this.nodes.delete(id)) change.shape = true;
    }
    return change;
  }

  /**
   * @param {Snapshot} message
   * @returns {Change | null}
   */
  #replace(message) {
    // What is saved with a notebook may come later than what has changed since.
    if (message.run?.id === this.run?.id && message.seq < this.seq) return null;
    this.run = completeRun(message.run);
    this.view = message.view === "cells" ? "cells" : "run";
    this.seq = message.seq;
    this.nodes = new Map();
    message.nodes?.forEach((told) => {
      const node = complete(told);
      this.nodes.set(node.id, node);
    });
    this.#tune(message.now);
    return { all: true, shape: true, nodes: new Set() };
  }

  /**
   * Correct the clock. A message is late at times but never early: the least difference
   * is the best one.
   * @param {number | undefined} now
   */
  #tune(now) {
    if (typeof now !== "number" || !Number.isFinite(now)) return;
    this.keptAt = now;
    const ahead = Date.now() / 1000 - now;
    this.ahead =
      this.isTuned && ahead > this.ahead ? this.ahead + (ahead - this.ahead) / 50 : ahead;
    this.isTuned = true;
  }

  isTuned = false;

  /** When what is known was so, by Python's clock. */
  keptAt = 0;

  /** Whether anything may still happen. */
  get isLive() {
    if (this.run === null || this.isKept) return false;
    return this.view === "run" && !isOver(this.run.state.type);
  }

  /**
   * Count the tasks by the kind of their state; subflows count by what is within.
   * @returns {{total: number, over: number, facets: {facet: Facet, count: number}[]}}
   */
  counts() {
    this.#counted ??= this.#count();
    return this.#counted;
  }

  /** @type {{total: number, over: number, facets: {facet: Facet, count: number}[]} | null} */
  #counted = null;

  #count() {
    const parents = new Set();
    this.nodes.forEach(({ parent }) => {
      if (parent !== null) parents.add(parent);
    });
    // NB. How many states there are of each name, and only then what counts as which:
    // of ten thousand runs most are in one of a handful of states.
    /** @type {Map<string, Map<string, {state: State, count: number}>>} */
    const types = new Map();
    this.nodes.forEach(({ id, state }) => {
      if (parents.has(id)) return;
      const names = types.get(state.type) ?? new Map();
      const known = names.get(state.name);
      if (known) known.count += 1;
      else types.set(state.type, names.set(state.name, { state, count: 1 }));
    });
    return this.#summed([...types.values()].flatMap((names) => [...names.values()]));
  }

  /** @param {{state: State, count: number}[]} states */
  #summed(states) {
    /** @type {Map<string, {facet: Facet, count: number}>} */
    const found = new Map();
    let [total, over] = [0, 0];
    for (const { state, count } of states) {
      total += count;
      if (isOver(state.type)) over += count;
      const facet = facetOf(state, this.view);
      const known = found.get(facet.key);
      if (known) known.count += count;
      else found.set(facet.key, { facet, count });
    }
    const facets = [...found.values()].sort((a, b) => compareProgress(a.facet, b.facet));
    return { total, over, facets };
  }

  /**
   * Return how long the run may still take, or null if nobody knows.
   * @returns {{elapsed: number, left: number | null, share: number | null} | null}
   */
  progress() {
    const run = this.run;
    if (!run || run.started === null) return null;
    const elapsed = Math.max(0, (run.ended ?? this.now()) - run.started);
    const expected = run.expected_seconds;
    if (run.ended || !expected || expected <= 0) return { elapsed, left: null, share: null };
    return {
      elapsed,
      left: Math.max(0, expected - elapsed),
      share: Math.min(0.98, elapsed / expected),
    };
  }
}

/**
 * Return the seconds that a run has taken, of its last attempt if it runs.
 * @param {RunNode} node
 * @param {number} now
 * @returns {number | null}
 */
export function secondsOf(node, now) {
  if (node.started === null) return null;
  if (node.ended !== null) return Math.max(0, node.ended - node.started);
  if (isOver(node.state.type)) return null;
  return Math.max(0, now - (node.attempts.at(-1)?.started ?? node.started));
}

/** @type {State} */
const NO_STATE = { type: "PENDING", name: "Pending", message: null };

/**
 * Return a state with a name that fits; the same one if it does.
 * @param {State} told
 * @returns {State}
 */
function completeState(told) {
  const name = oneLine(told.name, 40);
  if (name === told.name && typeof told.type === "string") return told;
  return { type: String(told.type), name, message: told.message };
}

/**
 * Return a node with all that the views ask for, whatever was left out.
 * @param {Partial<RunNode> & {id: string}} told
 * @returns {RunNode}
 */
function complete(told) {
  return {
    id: String(told.id),
    kind: told.kind ?? "task",
    of: oneLine(told.of ?? told.name ?? ""),
    name: oneLine(told.name ?? told.of ?? "") || "unnamed",
    parent: told.parent ?? null,
    upstream: told.upstream ?? [],
    state: completeState(told.state ?? NO_STATE),
    order: told.order ?? 0,
    created: told.created ?? null,
    started: told.started ?? null,
    ended: told.ended ?? null,
    attempts: told.attempts ?? [],
    expected_seconds: told.expected_seconds ?? null,
    saved_seconds: told.saved_seconds ?? null,
    source_run: told.source_run ?? null,
    why: told.why ?? null,
  };
}

/**
 * Return a run with all that the views ask for, whatever was left out.
 * @param {Partial<Run>} told
 * @returns {Run}
 */
function completeRun(told) {
  return {
    id: told.id ?? "",
    kind: told.kind ?? "flow",
    of: oneLine(told.of),
    name: oneLine(told.name ?? told.of),
    state: completeState(told.state ?? NO_STATE),
    created: told.created ?? null,
    started: told.started ?? null,
    ended: told.ended ?? null,
    expected_seconds: told.expected_seconds ?? null,
    parameters: told.parameters ?? {},
    link: told.link ?? null,
    home: told.home ?? null,
    can: told.can ?? [],
    hint: told.hint ?? null,
  };
}

/**
 * Tell whether a node is to be placed anew.
 * @param {RunNode} before
 * @param {RunNode} after
 */
function movesWithin(before, after) {
  return (
    before.parent !== after.parent ||
    before.of !== after.of ||
    before.name !== after.name ||
    before.kind !== after.kind ||
    before.upstream.length !== after.upstream.length ||
    before.upstream.some((id, n) => id !== after.upstream[n])
  );
}
