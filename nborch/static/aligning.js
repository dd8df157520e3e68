// Aligning: the order of places in their layers, and how far along those they are. With
// layout.js the twin of nborch/layouts.py.

/** @typedef {import("./places.js").Places} Places */

/** How much the wish of what was there before counts; a box's is 1. */
const HELD = 10_000;

/**
 * Order each layer by the mean rank of the neighbours one layer before.
 * @param {Places} places
 * @param {boolean} forth
 */
export function order(places, forth) {
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
export function align(places, sweeps) {
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
export function grow(places, anchors) {
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
    settle(
      places,
      layer,
      layer.map((place) => wishes.get(place) ?? 0),
    );
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
