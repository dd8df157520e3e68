// Places: the boxes of a layout, and where long arrows pass between them, in layers.

/** How much the wish of a passage counts; a box's is 1. */
const STRAIGHT = 2;

/** @typedef {{layer: number, across: number}} Place */

/**
 * Neighbours of what has none. NB. One for all: ten thousand lists that stay empty take
 * the collector long.
 */
const NOBODY = /** @type {number[]} */ (/** @type {unknown} */ (Object.freeze([])));

/** An arrow, and the places that it passes. */
export class Path {
  /**
   * @param {number} from the number of a box
   * @param {number} to
   * @param {number[]} passed
   * @param {Places} all
   */
  constructor(from, to, passed, all) {
    this.from = from;
    this.to = to;
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

export class Places {
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
    this.above.push(NOBODY);
    this.below.push(NOBODY);
    this.weights.push(isPassage ? STRAIGHT : 1);
    this.x.push(0);
    return place;
  }

  /**
   * @param {number} upper
   * @param {number} lower
   */
  join(upper, lower) {
    add(this.below, upper, lower);
    add(this.above, lower, upper);
  }

  /**
   * Return what a place is called in anchors.
   * @param {number} place
   */
  nameOf(place) {
    const id = this.ids[this.owners[place]];
    return this.isPassage[place]
      ? `${this.layerOf[place]}${this.isLeaving[place] ? ">" : "<"}${id}`
      : id;
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

/**
 * @param {number[][]} neighbours
 * @param {number} place
 * @param {number} other
 */
function add(neighbours, place, other) {
  if (neighbours[place] === NOBODY) neighbours[place] = [other];
  else neighbours[place].push(other);
}

/** @param {number} length */
function roomFor(length) {
  const [offsets, means, heavy, wished] = Array.from({ length: 4 }, () => new Float64Array(length));
  return { offsets, means, heavy, wished, counts: new Uint32Array(length) };
}
