// The Table view: the runs as rows, in the order of any column.

import { element, say, set } from "./elements.js";
import { badge } from "./icons.js";
import { Listing } from "./listing.js";
import { secondsOf } from "./model.js";
import { spacer } from "./rows.js";
import { compareFacets, facetOf, lookOf } from "./states.js";
import { clock, duration, growing, nameOf, oneLine } from "./words.js";

/**
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./diagram.js").Told} Told
 *
 * @typedef {object} Column
 * @property {string} key
 * @property {string} label
 * @property {boolean} [isNumber]
 * @property {(node: RunNode, model: RunModel) => string} text
 * @property {(node: RunNode, model: RunModel) => number | string | null} [value] to order by
 */

const ROW_HEIGHT = 28;

/** @type {Column} */
const NAME = { key: "name", label: "Name", text: nameOf };

/** @type {Column} */
const STATE = {
  key: "state",
  label: "State",
  text: (node) => node.state.name || lookOf(node.state.type).label,
};

/** @type {Column} */
const TASK = { key: "of", label: "Task", text: (node) => node.of };

/** @type {Column} */
const TIME = {
  key: "time",
  label: "Duration",
  isNumber: true,
  value: (node, model) => secondsOf(node, model.now()),
  text: (node, model) => {
    const seconds = secondsOf(node, model.now());
    if (seconds === null) return "";
    return node.ended === null ? growing(seconds) : duration(seconds);
  },
};

/** @type {Column} */
const WAITED = {
  key: "waited",
  label: "Waited",
  isNumber: true,
  value: waitedOf,
  text: (node) => {
    const seconds = waitedOf(node);
    return seconds === null || seconds < 0.01 ? "" : duration(seconds);
  },
};

/** @type {Column} */
const STARTED = {
  key: "started",
  label: "Started",
  isNumber: true,
  value: (node) => node.started,
  text: (node) => (node.started === null ? "" : clock(node.started)),
};

/** @type {Column} */
const ATTEMPTS = {
  key: "attempts",
  label: "Attempts",
  isNumber: true,
  value: attemptsOf,
  text: (node) => `${attemptsOf(node) || ""}`,
};

/** @type {Column} */
const SAVED = {
  key: "saved",
  label: "Saved",
  isNumber: true,
  value: (node) => node.saved_seconds,
  text: (node) => (node.saved_seconds ? duration(node.saved_seconds) : ""),
};

/** @type {Column} */
const WHY = { key: "why", label: "Why", text: (node) => oneLine(node.why, 160) };

const RUN_COLUMNS = [NAME, STATE, TASK, TIME, WAITED, STARTED, ATTEMPTS, SAVED];
const CELL_COLUMNS = [NAME, STATE, TIME, STARTED, SAVED, WHY];

/** @param {RunNode} node */
function attemptsOf(node) {
  return node.attempts.length || (node.started === null ? 0 : 1);
}

/** @param {RunNode} node */
function waitedOf(node) {
  const first = node.attempts[0]?.started ?? node.started;
  return first === null || node.created === null ? null : Math.max(0, first - node.created);
}

export class Table extends Listing {
  /**
   * @param {RunModel} model
   * @param {Told} told
   */
  constructor(model, told) {
    const head = element("tr");
    const [above, below] = [spacer("tr"), spacer("tr")];
    const list = element("tbody", {}, above, below);
    const table = element("table", { class: "nb-table" }, element("thead", {}, head), list);
    const scroller = element("div", { class: "nb-scroller nb-table-view" }, table);
    super(model, told, { scroller, list, above, below, height: ROW_HEIGHT });
    this.head = head;
    this.table = table;
    this.sortedBy = "";
    this.isReverse = false;
  }

  #headed = "";

  get columns() {
    return this.model.view === "cells" ? CELL_COLUMNS : RUN_COLUMNS;
  }

  /** @override */
  sort() {
    this.#drawHead();
    const all = [...this.model.nodes.values()];
    const nodes = this.filter ? all.filter(this.filter) : all;
    nodes.sort((a, b) => a.order - b.order);
    const column = this.columns.find(({ key }) => key === this.sortedBy);
    if (column) {
      const sign = this.isReverse ? -1 : 1;
      nodes.sort((a, b) => compare(a, b, column, this.model, sign));
    }
    set(this.table, "aria-rowcount", nodes.length + 1);
    set(this.table, "aria-label", "Runs");
    this.rows.show(nodes);
  }

  #drawHead() {
    const headed = `${this.model.view}|${this.sortedBy}|${this.isReverse}`;
    if (headed === this.#headed) return;
    const isFirst = this.#headed.split("|")[0] !== this.model.view;
    this.#headed = headed;
    if (isFirst) {
      this.head.replaceChildren(...this.columns.map((column) => this.#heading(column)));
    }
    this.columns.forEach(({ key }, n) => {
      const order = this.isReverse ? "descending" : "ascending";
      set(this.head.children[n], "aria-sort", key === this.sortedBy ? order : null);
    });
  }

  /** @param {Column} column */
  #heading({ key, label, isNumber }) {
    const sort = () => {
      // A third click brings back the order in which the runs came to be.
      if (this.sortedBy !== key) [this.sortedBy, this.isReverse] = [key, Boolean(isNumber)];
      else if (this.isReverse === Boolean(isNumber)) this.isReverse = !this.isReverse;
      else this.sortedBy = "";
      this.sort();
    };
    const button = element("button", { type: "button", class: "nb-sort", click: sort }, label);
    return element("th", { scope: "col", class: isNumber ? "nb-number" : "" }, button);
  }

  /**
   * @override
   * @returns {import("./rows.js").Row}
   */
  row() {
    const button = element("button", { type: "button", class: "nb-link" });
    const cells = this.columns.map(({ isNumber }) =>
      element("td", { class: isNumber ? "nb-number" : "" }),
    );
    cells[0].append(button);
    const sign = element("span", { class: "nb-line-sign" });
    const state = element("span");
    cells[1].append(sign, state);
    let signed = "";
    return {
      element: element("tr", {}, ...cells),
      button,
      update: (node) => {
        const { type, name } = node.state;
        this.columns.forEach((column, n) => {
          const drawn = n === 0 ? button : n === 1 ? state : cells[n];
          const text = column.text(node, this.model);
          say(drawn, text);
          set(cells[n], "title", text.length > 12 ? text : null);
        });
        if (signed !== `${type}${name}`) {
          signed = `${type}${name}`;
          sign.replaceChildren(badge(type, name));
        }
      },
    };
  }
}

/**
 * Order two runs by a column; those that have nothing there come last.
 * @param {RunNode} a
 * @param {RunNode} b
 * @param {Column} column
 * @param {RunModel} model
 * @param {number} sign
 */
function compare(a, b, column, model, sign) {
  if (column.key === "state") {
    return sign * compareFacets(facetOf(a.state, model.view), facetOf(b.state, model.view));
  }
  const [one, other] = [a, b].map((node) => (column.value ?? column.text)(node, model));
  if (typeof one === "string" && typeof other === "string") {
    return sign * one.localeCompare(other, undefined, { numeric: true });
  }
  if (one === null || other === null) return Number(one === null) - Number(other === null);
  return sign * (Number(one) - Number(other));
}
