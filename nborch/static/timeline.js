// The Timeline view: when each attempt ran, and how long it had to wait before.

import { element, say, set } from "./elements.js";
import { badge } from "./icons.js";
import { Listing } from "./listing.js";
import { spacer } from "./rows.js";
import { isOver, lookOf } from "./states.js";
import { statusOf } from "./telling.js";
import { timescale } from "./timescale.js";
import { nameOf } from "./words.js";

/**
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").Attempt} Attempt
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./diagram.js").Told} Told
 */

const LINE = 26;

/** How much of the line is kept for what has not begun. */
const AHEAD = 0.06;

export class Timeline extends Listing {
  /**
   * @param {RunModel} model
   * @param {Told} told
   */
  constructor(model, told) {
    const axis = element("div", { class: "nb-axis", "aria-hidden": "true" });
    const grid = element("div", { class: "nb-grid", "aria-hidden": "true" });
    const [above, below] = [spacer("div"), spacer("div")];
    const list = element("div", { class: "nb-lines" }, above, below);
    const body = element("div", { class: "nb-timeline-body" }, grid, list);
    const scroller = element("div", { class: "nb-timeline nb-scroller" }, axis, body);
    super(model, told, { scroller, list, above, below, height: LINE });
    [this.axis, this.grid, this.body] = [axis, grid, body];
    this.scale = timescale([]);
    this.end = 0;
    /** The time that all boxes of a drawing end at. */
    this.now = 0;
    /** @type {Map<string, number>} */
    this.depths = new Map();
  }

  #ticked = "";

  /**
   * @override
   * @param {import("./model.js").Change} change
   */
  update(change) {
    if (!this.isShown) return;
    if (change.all || change.shape || this.filter) this.sort();
    else {
      this.rows.nodes = this.rows.nodes.map((node) => this.model.nodes.get(node.id) ?? node);
      this.#draw();
    }
  }

  /** @override */
  tick() {
    if (this.isShown && this.model.isLive) this.#draw();
  }

  /** @override */
  sort() {
    const { nodes, depths } = inTime(this.model.nodes);
    this.depths = depths;
    const { filter } = this;
    this.rows.nodes = filter ? nodes.filter(filter) : nodes;
    this.#draw();
  }

  #draw() {
    const now = this.model.now();
    this.now = now;
    const { isLive, run } = this.model;
    /** @type {[number, number][]} */
    const stretches = [];
    for (const node of this.model.nodes.values()) {
      for (const { started, ended, type } of stretchesOf(node)) {
        if (started !== null) stretches.push([started, ended ?? (isOver(type) ? started : now)]);
      }
    }
    if (run?.started && isLive) stretches.push([Math.min(run.started, now), now]);
    const end = stretches.reduce((last, [, to]) => Math.max(last, to), -Infinity);
    const first = stretches.reduce((least, [from]) => Math.min(least, from), Infinity);
    if (isLive && end > first) stretches.push([end, end + (end - first) * AHEAD]);
    this.end = end;
    this.scale = timescale(stretches);
    this.#drawAxis();
    this.rows.show(this.rows.nodes);
  }

  #drawAxis() {
    const { ticks, cuts } = this.scale;
    const ticked = JSON.stringify([ticks, cuts]);
    if (ticked === this.#ticked) return;
    this.#ticked = ticked;
    const labels = ticks.map(({ share, label }) => placedAt("span", "nb-tick", share, label));
    this.axis.replaceChildren(...labels);
    const lines = ticks.map(({ share }) => placedAt("span", "nb-gridline", share));
    const breaks = cuts.map((share) => placedAt("span", "nb-cut", share));
    this.grid.replaceChildren(...lines, ...breaks);
  }

  /**
   * @override
   * @param {RunNode} first
   * @returns {import("./rows.js").Row}
   */
  row(first) {
    const sign = element("span", { class: "nb-line-sign" });
    const name = element("span", { class: "nb-line-name" });
    const label = element("span", { class: "nb-line-label" }, sign, name);
    const track = element("span", { class: "nb-track" });
    const button = element("button", { type: "button", class: "nb-line" }, label, track);
    let signed = "";
    return {
      element: button,
      button,
      update: (node) => {
        const { type } = node.state;
        if (signed !== `${type}${node.state.name}`) {
          signed = `${type}${node.state.name}`;
          sign.replaceChildren(badge(type, node.state.name));
        }
        set(button, "data-kind", node.kind);
        say(name, nameOf(node));
        set(button, "title", `${nameOf(node)}\n${statusOf(node, this.model)}`);
        const depth = Math.min(6, this.depths.get(first.id) ?? 0);
        label.style.paddingLeft = `${depth * 14}px`;
        const state = node.state.name || lookOf(type).label;
        set(button, "aria-label", `${nameOf(node)}, ${state}, ${statusOf(node, this.model)}`);
        this.#fill(track, node);
      },
    };
  }

  /**
   * Draw the boxes of a run: waiting, each attempt, what is ahead.
   * @param {HTMLElement} track
   * @param {RunNode} node
   */
  #fill(track, node) {
    const parts = this.#partsOf(node);
    while (track.childElementCount > parts.length) track.lastElementChild?.remove();
    while (track.childElementCount < parts.length) track.append(element("span"));
    parts.forEach(({ kind, from, to, type, state, text }, n) => {
      const box = /** @type {HTMLElement} */ (track.children[n]);
      set(box, "class", kind);
      set(box, "data-type", type);
      set(box, "data-state", state);
      const style = `left:${(from * 100).toFixed(3)}%;width:${(Math.max(0, to - from) * 100).toFixed(3)}%`;
      set(box, "style", style);
      say(box, text);
    });
  }

  /** @param {RunNode} node */
  #partsOf(node) {
    const { now, scale } = this;
    const { at } = scale;
    const attempts = stretchesOf(node).filter(({ started }) => started !== null);
    const parts = [];
    const first = attempts[0]?.started ?? null;
    const waits = node.created !== null && (first !== null || !isOver(node.state.type));
    if (waits && node.created !== null) {
      const until = first ?? this.end;
      parts.push({
        kind: "nb-wait",
        from: at(node.created),
        to: at(until),
        type: "PENDING",
        state: "",
        text: "",
      });
    }
    for (const { started, ended, type, name, n } of attempts) {
      const from = at(started ?? now);
      const to = at(ended ?? (isOver(type) ? (started ?? now) : now));
      const text = attempts.length > 1 ? `${n}` : "";
      parts.push({ kind: "nb-attempt", from, to, type, state: name, text });
    }
    if (first === null && !isOver(node.state.type) && this.model.isLive) {
      const from = at(this.end);
      parts.push({ kind: "nb-ahead", from, to: 1, type: node.state.type, state: "", text: "" });
    }
    return parts;
  }
}

/**
 * @param {"span"} tag
 * @param {string} kind
 * @param {number} share
 * @param {string} [text]
 */
function placedAt(tag, kind, share, text = "") {
  return element(tag, { class: kind, style: `left:${(share * 100).toFixed(2)}%` }, text);
}

/**
 * Return the attempts of a run; of one that tells none, the run itself.
 * @param {RunNode} node
 * @returns {Attempt[]}
 */
function stretchesOf(node) {
  if (node.attempts.length) return node.attempts;
  if (node.started === null) return [];
  const { type, name } = node.state;
  return [{ n: 1, started: node.started, ended: node.ended, type, name }];
}

/**
 * Return the nodes in the order of their beginning, each after what it is within.
 * @param {Map<string, RunNode>} nodes
 */
function inTime(nodes) {
  /** @type {Map<string | null, RunNode[]>} */
  const within = new Map();
  for (const node of nodes.values()) {
    const parent = node.parent !== null && nodes.has(node.parent) ? node.parent : null;
    const others = within.get(parent);
    if (others) others.push(node);
    else within.set(parent, [node]);
  }
  /** @param {RunNode} node */
  const begin = (node) => node.started ?? Infinity;
  for (const siblings of within.values()) {
    // NB. Infinity less Infinity is no number.
    siblings.sort((a, b) =>
      begin(a) === begin(b) ? a.order - b.order : begin(a) < begin(b) ? -1 : 1,
    );
  }
  /** @type {Map<string, number>} */
  const depths = new Map();
  /** @type {RunNode[]} */
  const sorted = [];
  const waiting = [...(within.get(null) ?? [])].reverse();
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (depths.has(node.id)) continue;
    const depth = node.parent === null ? 0 : (depths.get(node.parent) ?? -1) + 1;
    depths.set(node.id, depth);
    sorted.push(node);
    const inner = within.get(node.id) ?? [];
    for (let n = inner.length - 1; n >= 0; n -= 1) waiting.push(inner[n]);
  }
  // Those that are within each other in a circle.
  for (const node of nodes.values()) if (!depths.has(node.id)) sorted.push(node);
  return { nodes: sorted, depths };
}
