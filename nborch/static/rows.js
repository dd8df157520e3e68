// Rows: a long list of which only what is in sight is on the page.

import { element, set } from "./elements.js";

/**
 * @typedef {import("./protocol.js").RunNode} RunNode
 *
 * @typedef {object} Row
 * @property {HTMLElement} element
 * @property {HTMLElement} button what takes the focus and opens the detail
 * @property {(node: RunNode) => void} update
 */

export class Rows {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.scroller
   * @param {HTMLElement} parts.list what rows are put into
   * @param {HTMLElement} parts.above takes the room of the rows before
   * @param {HTMLElement} parts.below takes the room of the rows after
   * @param {number} parts.height of a row
   * @param {(node: RunNode) => Row} parts.make
   * @param {(id: string) => void} parts.open
   */
  constructor({ scroller, list, above, below, height, make, open }) {
    this.scroller = scroller;
    this.list = list;
    this.above = above;
    this.below = below;
    this.height = height;
    this.make = make;
    this.open = open;
    /** @type {RunNode[]} */
    this.nodes = [];
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.current = "";
    this.selected = "";
    scroller.addEventListener("scroll", () => this.draw());
    list.addEventListener("click", (event) => this.#click(event));
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {RunNode[]} nodes */
  show(nodes) {
    this.nodes = nodes;
    if (!nodes.some((node) => node.id === this.current)) this.current = nodes[0]?.id ?? "";
    this.draw();
  }

  /** Draw the rows in sight; those that were there stay as they are. */
  draw() {
    const { height, nodes } = this;
    const room = this.scroller.clientHeight || 400;
    const first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - 4);
    const last = Math.min(nodes.length, Math.ceil((this.scroller.scrollTop + room) / height) + 4);
    this.above.style.height = `${first * height}px`;
    this.below.style.height = `${Math.max(0, nodes.length - last) * height}px`;
    const wanted = nodes.slice(first, last);
    const ids = new Set(wanted.map((node) => node.id));
    for (const [id, row] of this.rows) {
      if (ids.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    /** @type {Node} */
    let before = this.above;
    wanted.forEach((node, n) => {
      const row = this.rows.get(node.id) ?? this.make(node);
      this.rows.set(node.id, row);
      set(row.element, "data-id", node.id);
      set(row.element, "aria-rowindex", row.element.tagName === "TR" ? first + n + 2 : null);
      if (before.nextSibling !== row.element)
        this.list.insertBefore(row.element, before.nextSibling);
      before = row.element;
      this.#refresh(row, node);
    });
  }

  /**
   * @param {Row} row
   * @param {RunNode} node
   */
  #refresh(row, node) {
    row.update(node);
    row.element.classList.toggle("nb-selected", node.id === this.selected);
    set(row.button, "tabindex", node.id === this.current ? 0 : -1);
  }

  /** @param {string} id */
  select(id) {
    this.selected = id;
    this.draw();
  }

  /** @param {string} id */
  reveal(id) {
    const place = this.nodes.findIndex((node) => node.id === id);
    if (place < 0) return;
    this.current = id;
    const top = place * this.height;
    const { scrollTop, clientHeight } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    const bottom = top + 2 * this.height;
    if (bottom > scrollTop + clientHeight) this.scroller.scrollTop = bottom - clientHeight;
    this.draw();
    this.rows.get(id)?.button.focus({ preventScroll: true });
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const target = event.target instanceof Element ? event.target : null;
    const id = target?.closest("[data-id]")?.getAttribute("data-id");
    if (!id) return;
    this.current = id;
    this.open(id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const place = this.nodes.findIndex((node) => node.id === this.current);
    const steps = { ArrowUp: place - 1, ArrowDown: place + 1, Home: 0, End: this.nodes.length - 1 };
    const next = Object.hasOwn(steps, event.key)
      ? steps[/** @type {keyof typeof steps} */ (event.key)]
      : null;
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    const node = this.nodes[next];
    if (node) this.reveal(node.id);
  }
}

/**
 * Return an element that takes room.
 * @param {"div" | "tr"} tag
 */
export function spacer(tag) {
  return element(tag, { class: "nb-spacer", "aria-hidden": "true" });
}
