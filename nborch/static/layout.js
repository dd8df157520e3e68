// The layout: which layer each box goes to, and where in it. The twin of
// nborch/layouts.py, which tells the steps; both give the same numbers.

import { align, grow, order } from "./aligning.js";
import { Path, Places } from "./places.js";

/** Fewer sweeps where there are many places. */
const SWEEPS = 8;
const FEWER = 4;
const MANY_PLACES = 5_000;
const PASSAGE = 8;
const ROOM = 4_000;
const ROOM_PER_BOX = 4;

/**
 * @typedef {[string, string]} Arrow from a box to one that depends on it
 *
 * @typedef {object} Placement
 * @property {number} start the least edge across
 * @property {number} end the greatest edge across
 * @property {number} depth the number of layers
 * @property {Places} places the boxes in their order, and passages after them
 * @property {Path[]} paths
 * @property {() => Map<string, number>} anchors returns what to give when it has grown
 */

/**
 * Return the layers and places of boxes with these sizes across.
 * @param {Map<string, number>} sizes
 * @param {Iterable<Arrow>} arrows
 * @param {number} gap
 * @param {Map<string, number> | null} [anchors] those of the placement before it has grown
 * @returns {Placement}
 */
export function placed(sizes, arrows, gap, anchors = null) {
  const ids = [...sizes.keys()];
  const { depths, kept } = layered(ids, arrows);
  const places = new Places(ids, gap);
  ids.forEach((id, n) => places.add(n, depths[n], sizes.get(id) ?? 0, false));
  const paths = passages(places, ids, depths, kept);
  if (anchors && anchors.size > 0) {
    grow(places, anchors);
  } else {
    const sweeps = places.x.length > MANY_PLACES ? FEWER : SWEEPS;
    for (let sweep = 0; sweep < sweeps; sweep += 1) order(places, sweep % 2 === 0);
    align(places, sweeps);
  }
  return placement(places, ids, kept, paths);
}

/**
 * @param {Places} places
 * @param {string[]} ids
 * @param {[number, number][]} kept
 * @param {number[][]} paths
 * @returns {Placement}
 */
function placement(places, ids, kept, paths) {
  const { x, sizes } = places;
  let [start, end] = ids.length ? [Infinity, -Infinity] : [0, 0];
  for (let place = 0; place < x.length; place += 1) {
    start = Math.min(start, x[place] - sizes[place] / 2);
    end = Math.max(end, x[place] + sizes[place] / 2);
  }
  return {
    start,
    end,
    depth: places.layers.length,
    places,
    paths: kept.map(([from, to], n) => new Path(from, to, paths[n], places)),
    // NB. Names of tens of thousands take time, and most graphs do not grow any more.
    anchors: () => new Map(x.map((across, place) => [places.nameOf(place), across])),
  };
}

/**
 * Return the layer of each box, and the arrows that agree with them.
 * @param {string[]} ids
 * @param {Iterable<Arrow>} arrows
 * @returns {{depths: number[], kept: [number, number][]}}
 */
function layered(ids, arrows) {
  const known = distinct(ids, arrows);
  /** @type {number[][]} */
  const below = ids.map(() => []);
  const missing = new Uint32Array(ids.length);
  for (const [a, b] of known) {
    below[a].push(b);
    missing[b] += 1;
  }
  const depths = ids.map(() => 0);
  /** @type {number[]} */
  const queue = [];
  for (let box = 0; box < ids.length; box += 1) if (!missing[box]) queue.push(box);
  const isDone = ids.map(() => false);
  let [done, taken, left] = [0, 0, 0];
  while (done < ids.length) {
    if (taken === queue.length) {
      // A circle: it is cut before its first box.
      while (isDone[left]) left += 1;
      queue.push(left);
    }
    const box = queue[taken];
    taken += 1;
    if (isDone[box]) continue;
    isDone[box] = true;
    done += 1;
    for (const lower of below[box]) {
      if (isDone[lower]) continue;
      depths[lower] = Math.max(depths[lower], depths[box] + 1);
      missing[lower] -= 1;
      if (!missing[lower]) queue.push(lower);
    }
  }
  return { depths, kept: known.filter(([a, b]) => depths[a] < depths[b]) };
}

/**
 * Return each arrow between two boxes once, by their numbers.
 * @param {string[]} ids
 * @param {Iterable<Arrow>} arrows
 * @returns {[number, number][]}
 */
function distinct(ids, arrows) {
  const numbers = new Map(ids.map((id, n) => [id, n]));
  /** @type {Set<number>} */
  const seen = new Set();
  /** @type {[number, number][]} */
  const found = [];
  for (const [from, to] of arrows) {
    const [a, b] = [numbers.get(from), numbers.get(to)];
    if (a === undefined || b === undefined || a === b) continue;
    const key = a * ids.length + b;
    if (!seen.has(key)) {
      seen.add(key);
      found.push([a, b]);
    }
  }
  return found;
}

/**
 * Give long arrows places in the layers between; return all that each passes.
 * @param {Places} places
 * @param {string[]} ids
 * @param {number[]} depths
 * @param {[number, number][]} arrows
 * @returns {number[][]}
 */
function passages(places, ids, depths, arrows) {
  const leaving = ids.map(() => 0);
  const reaching = ids.map(() => 0);
  for (const [a, b] of arrows) {
    if (depths[b] - depths[a] > 1) {
      leaving[a] += 1;
      reaching[b] += 1;
    }
  }
  const byLength = arrows.map((_, n) => n);
  /** @param {number} n */
  const span = (n) => depths[arrows[n][1]] - depths[arrows[n][0]];
  byLength.sort((one, other) => span(one) - span(other));
  /** @type {Map<number, number>} */
  const trunks = new Map();
  let room = ROOM + ROOM_PER_BOX * ids.length;
  /** @type {number[][]} */
  const paths = arrows.map(() => []);
  for (const n of byLength) {
    const [a, b] = arrows[n];
    const between = span(n) - 1;
    if (between > room) {
      paths[n] = [a, b];
      continue;
    }
    room -= between;
    paths[n] = passing(places, depths, [a, b], leaving[a] >= reaching[b], trunks);
  }
  return paths;
}

/**
 * Return the places of an arrow, along the trunk of its source or that of its target.
 * @param {Places} places
 * @param {number[]} depths
 * @param {[number, number]} arrow
 * @param {boolean} isSource whose trunk it is
 * @param {Map<number, number>} trunks
 */
function passing(places, depths, [a, b], isSource, trunks) {
  // From the box that owns the trunk, to where the arrow leaves it.
  const [owner, other, step] = isSource ? [a, b, 1] : [b, a, -1];
  const path = [owner];
  let last = owner;
  for (let layer = depths[owner] + step; layer !== depths[other]; layer += step) {
    // Of each box there may be two in a layer.
    const trunk = (layer * depths.length + owner) * 2 + Number(isSource);
    let place = trunks.get(trunk);
    if (place === undefined) {
      place = places.add(owner, layer, PASSAGE, true, isSource);
      trunks.set(trunk, place);
      if (isSource) places.join(last, place);
      else places.join(place, last);
    }
    path.push(place);
    last = place;
  }
  if (isSource) places.join(last, other);
  else places.join(other, last);
  path.push(other);
  return isSource ? path : path.reverse();
}
