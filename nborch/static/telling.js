// Telling: what a card, a row and a reader's voice say of a run, or of many.

import { compareFacets, facetOf, isCached, isOver, lookOf } from "./states.js";
import { counted, duration, growing, nameOf, oneLine } from "./words.js";
import { secondsOf } from "./model.js";

/**
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./protocol.js").State} State
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./states.js").Facet} Facet
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {{facet: Facet, count: number}} Share
 */

/**
 * Return how many of an item's runs are in each kind of state.
 * @param {Item} item
 * @param {"run" | "cells"} view
 * @returns {Share[]}
 */
export function sharesOf(item, view) {
  /** @type {Map<string, Share>} */
  const found = new Map();
  for (const node of item.members) {
    const facet = facetOf(node.state, view);
    const known = found.get(facet.key);
    if (known) known.count += 1;
    else found.set(facet.key, { facet, count: 1 });
  }
  return [...found.values()].sort((a, b) => compareFacets(a.facet, b.facet));
}

/**
 * Return the state that an item is drawn in: of many runs, that which matters most.
 * @param {Item} item
 * @param {Share[]} shares
 * @returns {State}
 */
export function stateOf(item, shares) {
  if (item.kind !== "many" || !shares.length) return item.node.state;
  const { facet } = shares[0];
  return { type: facet.type, name: facet.name, message: null };
}

/**
 * Return the line below the name on a card.
 * @param {Item} item
 * @param {Share[]} shares
 * @param {RunModel} model
 */
export function subtitleOf(item, shares, model) {
  if (item.kind === "node") return statusOf(item.node, model);
  const total = item.members.length;
  const over = item.members.filter((node) => isOver(node.state.type)).length;
  const parts = shares
    .filter(({ facet }) => ["CRASHED", "FAILED"].includes(facet.type))
    .map(({ facet, count }) => `${count} ${facet.label.toLowerCase()}`);
  if (over < total) parts.unshift(`${over} of ${total}`);
  else if (!parts.length) parts.push(allOver(item, shares));
  const seconds = item.kind === "flow" ? secondsOf(item.node, model.now()) : spanOf(item);
  if (seconds !== null && over === total) parts.push(duration(seconds));
  return parts.join(" · ");
}

/**
 * @param {Item} item
 * @param {Share[]} shares
 */
function allOver(item, shares) {
  const word = shares.length === 1 ? shares[0].facet.label.toLowerCase() : "done";
  return item.kind === "flow" ? counted(item.members.length, "task") : `all ${word}`;
}

/**
 * Return the seconds from the first start to the last end, if all have ended.
 * @param {Item} item
 */
function spanOf(item) {
  let [first, last] = [Infinity, -Infinity];
  for (const { started, ended } of item.members) {
    if (started !== null) first = Math.min(first, started);
    if (ended !== null) last = Math.max(last, ended);
  }
  return last >= first ? last - first : null;
}

/**
 * Return a few words on how a run goes.
 * @param {RunNode} node
 * @param {RunModel} model
 */
export function statusOf(node, model) {
  const { state } = node;
  const seconds = secondsOf(node, model.now());
  if (model.view === "cells") {
    const word = state.name;
    if (word === "running" && seconds !== null) return `running · ${growing(seconds)}`;
    if (node.why && word !== "fresh") return `${word} · ${oneLine(node.why, 60)}`;
    return seconds === null ? word : `${word} · ${duration(seconds)}`;
  }
  if (isCached(state)) {
    return "cached";
  }
  const attempt = node.attempts.length > 1 ? `attempt ${node.attempts.length}` : "";
  if (state.type === "RUNNING") {
    const told = seconds === null ? "running" : growing(seconds);
    return [attempt || worded(state), told].filter(Boolean).join(" · ");
  }
  const took = seconds === null ? "" : duration(seconds);
  const word = state.type === "COMPLETED" && state.name === "Completed" ? "" : worded(state);
  return [word, took].filter(Boolean).join(" · ") || "completed";
}

/**
 * Return a state's name in words; of a plain running one the time says enough.
 * @param {State} state
 */
function worded(state) {
  if (state.name === "Running") return "";
  const words = state.name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words || lookOf(state.type).label.toLowerCase();
}

/**
 * Return what a reader's voice says of an item.
 * @param {Item} item
 * @param {Share[]} shares
 * @param {RunModel} model
 */
export function spokenOf(item, shares, model) {
  const { node } = item;
  if (item.kind === "many") {
    const told = shares.map(({ facet, count }) => `${count} ${facet.label.toLowerCase()}`);
    return `${counted(item.members.length, "run")} of ${node.of}: ${told.join(", ")}`;
  }
  const seconds = node.ended === null ? null : secondsOf(node, model.now());
  const kind = item.kind === "flow" ? `subflow of ${counted(item.members.length, "task")}` : "";
  const took = seconds === null ? "" : duration(seconds);
  const state = node.state.name || lookOf(node.state.type).label;
  return [nameOf(node), kind, state, took].filter(Boolean).join(", ");
}
