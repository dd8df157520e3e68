// Listing: what the views have in common that show runs in rows.

import { Rows } from "./rows.js";

/**
 * @typedef {import("./model.js").Change} Change
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./rows.js").Row} Row
 * @typedef {import("./diagram.js").Told} Told
 *
 * @typedef {object} Parts
 * @property {HTMLElement} scroller
 * @property {HTMLElement} list
 * @property {HTMLElement} above
 * @property {HTMLElement} below
 * @property {number} height
 */

/** A view that looks at the runs only while it is shown. */
export class Listing {
  /**
   * @param {RunModel} model
   * @param {Told} told
   * @param {Parts} parts
   */
  constructor(model, told, parts) {
    this.model = model;
    this.element = parts.scroller;
    this.rows = new Rows({ ...parts, make: (node) => this.row(node), open: told.open });
    /** @type {((node: RunNode) => boolean) | null} */
    this.filter = null;
    this.isShown = false;
  }

  /**
   * Return the row of a run.
   * @param {RunNode} node
   * @returns {Row}
   */
  row(node) {
    throw new Error(`No row is made for ${node.id}`);
  }

  /** Find out which runs are shown in which order, and draw them. */
  sort() {}

  show() {
    this.isShown = true;
    this.sort();
  }

  hide() {
    this.isShown = false;
  }

  destroy() {}

  /** @param {Change} _change */
  update(_change) {
    if (this.isShown) this.sort();
  }

  tick() {
    if (this.isShown && this.model.isLive) this.rows.draw();
  }

  /** @param {number} _width */
  resize(_width) {
    if (this.isShown) this.rows.draw();
  }

  /** @param {((node: RunNode) => boolean) | null} filter */
  setFilter(filter) {
    this.filter = filter;
    if (this.isShown) this.sort();
  }

  /** @param {string} id */
  select(id) {
    this.rows.select(id);
  }

  /** @param {string} id */
  reveal(id) {
    this.rows.reveal(id);
  }
}
