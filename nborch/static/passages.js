// Passages: where arrows go that are longer than from one layer to the next. With
// layout.js the twin of nborch/layouts.py.

import { Arrows } from "./arrows.js";

const ROOM = 4_000;
const ROOM_PER_BOX = 4;

/** The ways of arrows through layers, along trunks that they share. */
export class Passages {
  /**
   * @param {Int32Array} depths the layer of each box; the first passage is after the last
   * @param {Arrows} arrows between them
   */
  constructor(depths, arrows) {
    this.depths = depths;
    this.arrows = arrows;
    /** The places that come one after the other. */
    this.joined = arrows;
    /**
     * The layer of each passage, the box whose trunk it is of, and whether it leaves that.
     * @type {number[]}
     */
    this.layers = [];
    /** @type {number[]} */
    this.owners = [];
    /** @type {boolean[]} */
    this.isLeaving = [];
    /**
     * All that a long arrow passes, by its number.
     * @type {Map<number, number[]>}
     */
    this.passed = new Map();
    const long = this.#long();
    if (!long.length) return;
    this.joined = this.#near();
    this.#joinFar(long);
  }

  /** @type {Map<number, number>} */
  #trunks = new Map();

  /** @param {number} arrow */
  #span(arrow) {
    return this.depths[this.arrows.targets[arrow]] - this.depths[this.arrows.sources[arrow]];
  }

  /** Return the numbers of the arrows that pass layers. */
  #long() {
    /** @type {number[]} */
    const long = [];
    for (let arrow = 0; arrow < this.arrows.length; arrow += 1) {
      if (this.#span(arrow) > 1) long.push(arrow);
    }
    return long;
  }

  /** Return the arrows from one layer to the next. */
  #near() {
    const { sources, targets } = this.arrows;
    const near = new Arrows();
    for (let arrow = 0; arrow < sources.length; arrow += 1) {
      if (this.#span(arrow) === 1) near.add(sources[arrow], targets[arrow]);
    }
    return near;
  }

  /** @param {number[]} long the arrows that pass layers */
  #joinFar(long) {
    const { depths, joined } = this;
    const { sources, targets } = this.arrows;
    const leaving = new Int32Array(depths.length);
    const reaching = new Int32Array(depths.length);
    for (const n of long) {
      leaving[sources[n]] += 1;
      reaching[targets[n]] += 1;
    }
    long.sort((one, other) => this.#span(one) - this.#span(other));
    let room = ROOM + ROOM_PER_BOX * depths.length;
    for (const n of long) {
      const between = this.#span(n) - 1;
      if (between > room) continue;
      room -= between;
      const isSource = leaving[sources[n]] >= reaching[targets[n]];
      this.passed.set(n, this.#pass(sources[n], targets[n], isSource));
    }
  }

  /**
   * Return the places of an arrow, along the trunk of its source or that of its target.
   * @param {number} source
   * @param {number} target
   * @param {boolean} isSource whose trunk it is
   */
  #pass(source, target, isSource) {
    const { depths } = this;
    // From the box that owns the trunk, to where the arrow leaves it.
    const [owner, other, step] = isSource ? [source, target, 1] : [target, source, -1];
    const path = [owner];
    let last = owner;
    for (let layer = depths[owner] + step; layer !== depths[other]; layer += step) {
      // Of each box there may be two in a layer.
      const trunk = (layer * depths.length + owner) * 2 + Number(isSource);
      let place = this.#trunks.get(trunk);
      if (place === undefined) {
        place = this.#add(layer, owner, isSource);
        this.#trunks.set(trunk, place);
        this.#join(last, place, isSource);
      }
      path.push(place);
      last = place;
    }
    this.#join(last, other, isSource);
    path.push(other);
    return isSource ? path : path.reverse();
  }

  /**
   * @param {number} layer
   * @param {number} owner
   * @param {boolean} isLeaving
   */
  #add(layer, owner, isLeaving) {
    const place = this.depths.length + this.layers.length;
    this.layers.push(layer);
    this.owners.push(owner);
    this.isLeaving.push(isLeaving);
    return place;
  }

  /**
   * @param {number} one
   * @param {number} next
   * @param {boolean} isForth
   */
  #join(one, next, isForth) {
    if (isForth) this.joined.add(one, next);
    else this.joined.add(next, one);
  }
}
