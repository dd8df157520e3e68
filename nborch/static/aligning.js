// Aligning: the order of places in their layers, and how far along those they are. With
// layout.js the twin of nborch/layouts.py.

/** @typedef {import("./places.js").Places} Places */

/** How much the wish of what was there before counts; a box's is 1. */
const HELD = 10_000;

/**
 * Order each layer by the mean rank of the neighbours one layer before.
 * @param {Places} places
 * @param {boolean} forth
 * @returns {boolean} whether anything is in another order than before
 */
export function order(places, forth) {
  const { layers, rank, mean } = places;
  // NB. Not by methods of the list: it is gone through when the browser has hardly begun
  // to translate what it runs.
  const { starts, all } = forth ? places.above : places.below;
  const last = layers.length - 1;
  let isOther = false;
  for (let step = 1; step <= last; step += 1) {
    const before = layers[forth ? step - 1 : last - step + 1];
    const layer = layers[forth ? step : last - step];
    for (let n = 0; n < before.length; n += 1) rank[before[n]] = n;
    let isSorted = true;
    let latest = -Infinity;
    for (let n = 0; n < layer.length; n += 1) {
      const place = layer[n];
      const end = starts[place + 1];
      let total = 0;
      for (let at = starts[place]; at < end; at += 1) total += rank[all[at]];
      const count = end - starts[place];
      const middle = count ? total / count : n;
      mean[place] = middle;
      if (middle < latest) isSorted = false;
      latest = middle;
    }
    if (isSorted) continue;
    isOther = true;
    layer.sort((one, other) => mean[one] - mean[other]);
  }
  return isOther;
}

/**
 * Move each layer along itself towards its neighbours, as its order allows.
 * @param {Places} places
 * @param {number} sweeps
 */
export function align(places, sweeps) {
  const { layers, sizes, x, wished } = places;
  for (const layer of layers) settle(places, layer, wished);
  for (let sweep = 0; sweep < sweeps; sweep += 1) {
    const forth = sweep % 2 === 1;
    const { starts, all } = forth ? places.above : places.below;
    for (let step = 0; step < layers.length; step += 1) {
      const layer = layers[forth ? step : layers.length - 1 - step];
      for (let n = 0; n < layer.length; n += 1) {
        const place = layer[n];
        const end = starts[place + 1];
        let total = 0;
        for (let at = starts[place]; at < end; at += 1) total += x[all[at]];
        const count = end - starts[place];
        wished[n] = count ? total / count : x[place];
      }
      settle(places, layer, wished);
    }
  }
  let left = x.length ? Infinity : 0;
  for (let place = 0; place < x.length; place += 1) {
    left = Math.min(left, x[place] - sizes[place] / 2);
  }
  for (let place = 0; place < x.length; place += 1) {
    x[place] = Math.floor((x[place] - left) * 10 + 0.5) / 10;
  }
}

/**
 * Leave what was there where it is, and put what is new beside it.
 * @param {Places} places
 * @param {Map<string, number>} anchors
 */
export function grow(places, anchors) {
  const { above, x } = places;
  const anchor = Array.from(x, (_, place) => anchors.get(places.nameOf(place)));
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
      if (held !== undefined) {
        keys.set(place, held);
        wishes.set(place, held);
      } else if (!above.isEmpty(place)) {
        let total = 0;
        for (let n = above.starts[place]; n < above.starts[place + 1]; n += 1) {
          total += latest.get(above.all[n]) ?? x[above.all[n]];
        }
        keys.set(place, total / (above.starts[place + 1] - above.starts[place]));
        wishes.set(place, above.mean(place, x));
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
function led({ above: { all, starts } }, layer, anchor) {
  /** @type {Map<number, number>} */
  const latest = new Map();
  let greatest = -Infinity;
  for (const place of layer) {
    const held = anchor[place];
    if (held === undefined) continue;
    greatest = Math.max(greatest, held);
    for (let n = starts[place]; n < starts[place + 1]; n += 1) {
      latest.set(all[n], Math.max(held, latest.get(all[n]) ?? held));
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
  const { gap, sizes, boxes, weights, x, offsets, means, heavy, counts } = places;
  let [pools, offset] = [0, 0];
  for (let n = 0; n < layer.length; n += 1) {
    const place = layer[n];
    if (n) {
      const before = layer[n - 1];
      const isNear = before >= boxes || place >= boxes;
      offset += (sizes[before] + sizes[place]) / 2 + (isNear ? gap / 2 : gap);
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
