// Places: the boxes of a layout, and where long arrows pass between them, in layers.

import { Lists } from "./arrows.js";

/** @typedef {import("./passages.js").Passages} Passages */

/** The size that an arrow takes where it passes a layer. */
const PASSAGE = 8;

/** How much the wish of a passage counts; a box's is 1. */
const STRAIGHT = 2;

/** @typedef {{layer: number, across: number}} Place */

export class Places {
  /**
   * @param {string[]} ids of the boxes: their places come first
   * @param {number[]} sizes of the boxes
   * @param {Passages} passages
   * @param {number} gap
   */
  constructor(ids, sizes, passages, gap) {
    const boxes = ids.length;
    const count = boxes + passages.layers.length;
    this.ids = ids;
    this.passages = passages;
    this.gap = gap;
    /** How many are boxes: all after them are passages. */
    this.boxes = boxes;
    this.count = count;
    this.sizes = new Float64Array(count).fill(PASSAGE);
    this.sizes.set(sizes);
    this.weights = new Float64Array(count).fill(1, 0, boxes).fill(STRAIGHT, boxes);
    this.layerOf = new Int32Array(count);
    this.layerOf.set(passages.depths);
    this.layerOf.set(passages.layers, boxes);
    const { sources, targets } = passages.joined;
    /** What each is joined with, in the layers before and after. */
    this.above = new Lists(count, targets, sources);
    this.below = new Lists(count, sources, targets);
    /** Where the middle of each is. */
    this.x = new Float64Array(count);
    /** @type {number[][]} */
    this.layers = [];
    for (let place = 0; place < count; place += 1) this.#addTo(this.layerOf[place], place);
    // What ordering and settling reckon with. NB. New arrays for each layer would cost
    // more than what is reckoned.
    this.rank = new Int32Array(count);
    this.mean = new Float64Array(count);
    this.wished = new Float64Array(count);
    this.offsets = new Float64Array(count);
    this.means = new Float64Array(count);
    this.heavy = new Float64Array(count);
    this.counts = new Int32Array(count);
  }

  /**
   * @param {number} layer
   * @param {number} place
   */
  #addTo(layer, place) {
    while (this.layers.length <= layer) this.layers.push([]);
    this.layers[layer].push(place);
  }

  /**
   * Return what a place is called in anchors.
   * @param {number} place
   */
  nameOf(place) {
    if (place < this.boxes) return this.ids[place];
    const { owners, isLeaving } = this.passages;
    const passage = place - this.boxes;
    return `${this.layerOf[place]}${isLeaving[passage] ? ">" : "<"}${this.ids[owners[passage]]}`;
  }

  /**
   * @param {number} place
   * @returns {Place}
   */
  at(place) {
    return { layer: this.layerOf[place], across: this.x[place] };
  }
}
