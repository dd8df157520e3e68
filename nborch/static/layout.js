// The layout: which layer each box goes to, and where in it. The twin of
// nborch/layouts.py, which tells the steps; both give the same numbers.

/** Fewer sweeps where there are many places. */
const SWEEPS = 8;
const FEWER = 4;
const MANY_PLACES = 5_000;
const PASSAGE = 8;
const ROOM = 4_000;
const ROOM_PER_BOX = 4;
const STRAIGHT = 2;
const HELD = 10_000;

/**
 * @typedef {[string, string]} Arrow from a box to one that depends on it
 * @typedef {{layer: number, across: number}} Place
 *
 * @typedef {object} Placement
 * @property {number} start the least edge across
 * @property {number} end the greatest edge across
 * @property {number} depth the number of layers
 * @property {Map<string, Place>} boxes
 * @property {Path[]} paths
 * @property {() => Map<string, number>} anchors returns what to give when it has grown
 */

/** An arrow, and the places that it passes. */
class Path {
  /**
   * @param {Arrow} arrow
   * @param {number[]} passed
   * @param {Places} all
   */
  constructor(arrow, passed, all) {
    this.arrow = arrow;
    this.passed = passed;
    this.all = all;
  }

  /**
   * Those of both boxes included.
   * @returns {Place[]}
   */
  get places() {
    return this.passed.map((place) => this.all.at(place));
  }
}

class Places {
  /**
   * @param {string[]} ids
   * @param {number} gap
   */
  constructor(ids, gap) {
    this.ids = ids;
    this.gap = gap;
    /**
     * The box whose trunk a place is of, and whether it leaves that; of a box itself.
     * @type {number[]}
     */
    this.owners = [];
    /** @type {boolean[]} */
    this.isLeaving = [];
    /** @type {number[]} */
    this.sizes = [];
    /** @type {boolean[]} */
    this.isPassage = [];
    /** @type {number[]} */
    this.layerOf = [];
    /** @type {number[][]} */
    this.layers = [];
    /** @type {number[][]} */
    this.above = [];
    /** @type {number[][]} */
    this.below = [];
    /** @type {number[]} */
    this.weights = [];
    /** @type {number[]} */
    this.x = [];
  }

  /**
   * Add a place at the end of a layer; return its number.
   * @param {number} owner
   * @param {number} layer
   * @param {number} size
   * @param {boolean} isPassage
   * @param {boolean} [isLeaving]
   */
  add(owner, layer, size, isPassage, isLeaving = false) {
    while (this.layers.length <= layer) this.layers.push([]);
    const place = this.owners.length;
    this.layers[layer].push(place);
    this.owners.push(owner);
    this.isLeaving.push(isLeaving);
    this.sizes.push(size);
    this.isPassage.push(isPassage);
    this.layerOf.push(layer);
    this.above.push([]);
    this.below.push([]);
    this.weights.push(isPassage ? STRAIGHT : 1);
    this.x.push(0);
    return place;
  }

  /**
   * @param {number} upper
   * @param {number} lower
   */
  join(upper, lower) {
    this.below[upper].push(lower);
    this.above[lower].push(upper);
  }

  /**
   * Return what a place is called in anchors.
   * @param {number} place
   */
  nameOf(place) {
    const id = this.ids[this.owners[place]];
    return this.isPassage[place] ? `${this.layerOf[place]}${this.isLeaving[place] ? ">" : "<"}${id}` : id;
  }

  /**
   * @param {number} place
   * @returns {Place}
   */
  at(place) {
    return { layer: this.layerOf[place], across: this.x[place] };
  }

  /**
   * Return arrays to reckon with; making new ones for each layer costs more than that.
   * @param {number} length
   */
  room(length) {
    if (this.reckoning.offsets.length < length) this.reckoning = roomFor(2 * length);
    return this.reckoning;
  }

  reckoning = roomFor(64);

  /** @param {number[]} places */
  mean(places) {
    let total = 0;
    for (const place of places) total += this.x[place];
    return total / places.length;
  }
}

/** @param {number} length */
function roomFor(length) {
  const [offsets, means, heavy, wished] = Array.from({ length: 4 }, () => new Float64Array(length));
  return { offsets, means, heavy, wished, counts: new Uint32Array(length) };
}

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
    boxes: new Map(ids.map((id, n) => [id, places.at(n)])),
    paths: kept.map(([a, b], n) => new Path([ids[a], ids[b]], paths[n], places)),
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

/**
 * Order each layer by the mean rank of the neighbours one layer before.
 * @param {Places} places
 * @param {boolean} forth
 */
function order(places, forth) {
  const neighbours = forth ? places.above : places.below;
  const rank = new Float64Array(places.x.length);
  const mean = new Float64Array(places.x.length);
  const last = places.layers.length - 1;
  for (let step = 1; step <= last; step += 1) {
    const before = places.layers[forth ? step - 1 : last - step + 1];
    const layer = places.layers[forth ? step : last - step];
    for (let n = 0; n < before.length; n += 1) rank[before[n]] = n;
    let isSorted = true;
    for (let n = 0; n < layer.length; n += 1) {
      const near = neighbours[layer[n]];
      let total = 0;
      for (const other of near) total += rank[other];
      mean[layer[n]] = near.length ? total / near.length : n;
      isSorted &&= n === 0 || mean[layer[n - 1]] <= mean[layer[n]];
    }
    if (!isSorted) layer.sort((one, other) => mean[one] - mean[other]);
  }
}

/**
 * Move each layer along itself towards its neighbours, as its order allows.
 * @param {Places} places
 * @param {number} sweeps
 */
function align(places, sweeps) {
  for (const layer of places.layers) {
    settle(places, layer, places.room(layer.length).wished.fill(0, 0, layer.length));
  }
  const count = places.layers.length;
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    const forth = sweep % 2 === 1;
    const neighbours = forth ? places.above : places.below;
    for (let step = 0; step < count; step += 1) {
      const layer = places.layers[forth ? step : count - 1 - step];
      const { wished } = places.room(layer.length);
      for (let n = 0; n < layer.length; n += 1) {
        const near = neighbours[layer[n]];
        wished[n] = near.length ? places.mean(near) : places.x[layer[n]];
      }
      settle(places, layer, wished);
    }
  }
  let left = places.x.length ? Infinity : 0;
  places.x.forEach((x, place) => {
    left = Math.min(left, x - places.sizes[place] / 2);
  });
  places.x = places.x.map((x) => Math.floor((x - left) * 10 + 0.5) / 10);
}

/**
 * Leave what was there where it is, and put what is new beside it.
 * @param {Places} places
 * @param {Map<string, number>} anchors
 */
function grow(places, anchors) {
  const anchor = places.x.map((_, place) => anchors.get(places.nameOf(place)));
  anchor.forEach((held, place) => {
    if (held !== undefined) places.weights[place] = HELD;
  });
  /** @type {Map<number, number>} */
  const keys = new Map();
  /** @type {Map<number, number>} */
  const wishes = new Map();
  for (const layer of places.layers) {
    const { latest, greatest } = led(places, layer, anchor);
    for (const place of layer) {
      const held = anchor[place];
      const near = places.above[place];
      if (held !== undefined) {
        keys.set(place, held);
        wishes.set(place, held);
      } else if (near.length) {
        let total = 0;
        for (const upper of near) total += latest.get(upper) ?? places.x[upper];
        keys.set(place, total / near.length);
        wishes.set(place, places.mean(near));
      } else {
        keys.set(place, Infinity);
        wishes.set(place, greatest);
      }
    }
    /** @param {number} place */
    const key = (place) => keys.get(place) ?? 0;
    /** @param {number} place */
    const isNew = (place) => (anchor[place] === undefined ? 1 : 0);
    layer.sort((one, other) => {
      if (key(one) !== key(other)) return key(one) < key(other) ? -1 : 1;
      return isNew(one) - isNew(other);
    });
    settle(places, layer, layer.map((place) => wishes.get(place) ?? 0));
  }
}

/**
 * Return the greatest anchor in a layer, and by place of the one before that it leads to.
 * @param {Places} places
 * @param {number[]} layer
 * @param {(number | undefined)[]} anchor
 */
function led(places, layer, anchor) {
  /** @type {Map<number, number>} */
  const latest = new Map();
  let greatest = -Infinity;
  for (const place of layer) {
    const held = anchor[place];
    if (held === undefined) continue;
    greatest = Math.max(greatest, held);
    for (const upper of places.above[place]) {
      latest.set(upper, Math.max(held, latest.get(upper) ?? held));
    }
  }
  return { latest, greatest: greatest === -Infinity ? 0 : greatest };
}

/**
 * Put a layer's places as near to where they wish as their sizes allow.
 *
 * With each place's least distance from the first taken off, what remains is to be
 * non-decreasing: places that would overlap are pooled at their mean.
 * @param {Places} places
 * @param {number[]} layer
 * @param {ArrayLike<number>} wished
 */
function settle(places, layer, wished) {
  const { sizes, isPassage, weights, x } = places;
  const { offsets, means, heavy, counts } = places.room(layer.length);
  let [pools, offset] = [0, 0];
  for (let n = 0; n < layer.length; n += 1) {
    const place = layer[n];
    if (n) {
      const before = layer[n - 1];
      const isNear = isPassage[before] || isPassage[place];
      offset += (sizes[before] + sizes[place]) / 2 + (isNear ? places.gap / 2 : places.gap);
    }
    offsets[n] = offset;
    let mean = wished[n] - offset;
    let weight = weights[place];
    let count = 1;
    while (pools && means[pools - 1] > mean) {
      pools -= 1;
      mean = (mean * weight + means[pools] * heavy[pools]) / (weight + heavy[pools]);
      weight += heavy[pools];
      count += counts[pools];
    }
    means[pools] = mean;
    heavy[pools] = weight;
    counts[pools] = count;
    pools += 1;
  }
  let n = 0;
  for (let pool = 0; pool < pools; pool += 1) {
    for (const end = n + counts[pool]; n < end; n += 1) x[layer[n]] = means[pool] + offsets[n];
  }
}
