// The layout: which layer each box goes to, and where in it. The twin of
// nborch/layouts.py, which tells the steps; both give the same numbers.

import { align, grow, order } from "./aligning.js";
import { Arrows, Lists } from "./arrows.js";
import { Passages } from "./passages.js";
import { Places } from "./places.js";

/** Fewer sweeps where there are many places. */
const SWEEPS = 8;
const FEWER = 4;
const MANY_PLACES = 5_000;

/**
 * @typedef {[string, string]} Arrow from a box to one that depends on it
 * @typedef {import("./places.js").Place} Place
 *
 * @typedef {object} Path
 * @property {number} from the number of a box
 * @property {number} to
 * @property {Place[]} places those of both boxes included
 */

/**
 * Return the layers and places of boxes with these sizes across.
 * @param {Map<string, number>} sizes
 * @param {Iterable<Arrow>} arrows
 * @param {number} gap
 * @param {Map<string, number> | null} [anchors] those of the placement before it has grown
 */
export function placed(sizes, arrows, gap, anchors = null) {
  const ids = [...sizes.keys()];
  return laidOut(ids, [...sizes.values()], distinct(ids, arrows), gap, anchors);
}

/**
 * Return the layers and places of boxes, as numbers.
 * @param {string[]} ids
 * @param {number[]} sizes
 * @param {Arrows} arrows each of them once, and none from a box to itself
 * @param {number} gap
 * @param {Map<string, number> | null} [anchors] those of the placement before it has grown
 */
export function laidOut(ids, sizes, arrows, gap, anchors = null) {
  const depths = layered(ids.length, arrows);
  const kept = descending(depths, arrows);
  const places = new Places(ids, sizes, new Passages(depths, kept), gap);
  if (anchors && anchors.size > 0) {
    grow(places, anchors);
  } else {
    const sweeps = places.count > MANY_PLACES ? FEWER : SWEEPS;
    // Sweeps that change nothing, one forth and one back, are followed by others like them.
    for (let sweep = 0, idle = 0; sweep < sweeps && idle < 2; sweep += 1) {
      idle = order(places, sweep % 2 === 0) ? 0 : idle + 1;
    }
    align(places, sweeps);
  }
  return new Placement(places, kept);
}

export class Placement {
  /**
   * @param {Places} places the boxes in their order, and passages after them
   * @param {Arrows} arrows
   */
  constructor(places, arrows) {
    const { x, sizes, count } = places;
    this.places = places;
    this.arrows = arrows;
    let [start, end] = count ? [Infinity, -Infinity] : [0, 0];
    for (let place = 0; place < count; place += 1) {
      start = Math.min(start, x[place] - sizes[place] / 2);
      end = Math.max(end, x[place] + sizes[place] / 2);
    }
    /** The least and the greatest edge across. */
    this.start = start;
    this.end = end;
    /** The number of layers. */
    this.depth = places.layers.length;
  }

  /**
   * The ways of the arrows. NB. Tens of thousands take time: only what is seen asks.
   * @returns {Path[]}
   */
  get paths() {
    const { places, arrows } = this;
    const { passed } = places.passages;
    return arrows.sources.map((from, n) => {
      const to = arrows.targets[n];
      const way = passed.get(n) ?? [from, to];
      return { from, to, places: way.map((place) => places.at(place)) };
    });
  }

  /** Return what to give when it has grown. */
  anchors() {
    const { places } = this;
    /** @type {Map<string, number>} */
    const anchors = new Map();
    places.x.forEach((across, place) => anchors.set(places.nameOf(place), across));
    return anchors;
  }
}

/**
 * Return the layer of each box.
 * @param {number} count
 * @param {Arrows} arrows
 */
function layered(count, { sources, targets }) {
  const { starts, all } = new Lists(count, sources, targets);
  const missing = new Int32Array(count);
  for (let n = 0; n < targets.length; n += 1) missing[targets[n]] += 1;
  const depths = new Int32Array(count);
  /** @type {number[]} */
  const queue = [];
  for (let box = 0; box < count; box += 1) if (!missing[box]) queue.push(box);
  const isDone = new Uint8Array(count);
  let [done, taken, left] = [0, 0, 0];
  while (done < count) {
    if (taken === queue.length) {
      // A circle: it is cut before its first box.
      while (isDone[left]) left += 1;
      queue.push(left);
    }
    const box = queue[taken];
    taken += 1;
    if (isDone[box]) continue;
    isDone[box] = 1;
    done += 1;
    const below = depths[box] + 1;
    for (let n = starts[box]; n < starts[box + 1]; n += 1) {
      const lower = all[n];
      if (isDone[lower]) continue;
      if (depths[lower] < below) depths[lower] = below;
      missing[lower] -= 1;
      if (!missing[lower]) queue.push(lower);
    }
  }
  return depths;
}

/**
 * Return the arrows that agree with the layers: not those that close a circle.
 * @param {Int32Array} depths
 * @param {Arrows} arrows
 */
function descending(depths, arrows) {
  const { sources, targets } = arrows;
  const isKept = (/** @type {number} */ source, /** @type {number} */ n) =>
    depths[source] < depths[targets[n]];
  if (sources.every(isKept)) return arrows;
  const kept = new Arrows();
  sources.forEach((source, n) => {
    if (isKept(source, n)) kept.add(source, targets[n]);
  });
  return kept;
}

/**
 * Return each arrow between two boxes once, by their numbers.
 * @param {string[]} ids
 * @param {Iterable<Arrow>} arrows
 */
function distinct(ids, arrows) {
  const numbers = new Map(ids.map((id, n) => [id, n]));
  /** @type {Set<number>} */
  const seen = new Set();
  const found = new Arrows();
  for (const [from, to] of arrows) {
    const source = numbers.get(from);
    const target = numbers.get(to);
    if (source === undefined || target === undefined || source === target) continue;
    const key = source * ids.length + target;
    if (seen.has(key)) continue;
    seen.add(key);
    found.add(source, target);
  }
  return found;
}
