// States: what each is called and how it looks. Its colours are in nborch.css.

/**
 * @typedef {import("./protocol.js").State} State
 * @typedef {{key: string, label: string, type: string, name: string}} Facet
 *
 * @typedef {object} Look
 * @property {string} label
 * @property {string} glyph
 * @property {string} dash of a card's border, so that no state is told by colour alone
 */

/**
 * By state type, the one that matters most first.
 * @type {Readonly<Record<string, Look>>}
 */
export const LOOKS = Object.freeze({
  CRASHED: { label: "Crashed", glyph: "‼", dash: "7 2 2 2" },
  FAILED: { label: "Failed", glyph: "✕", dash: "" },
  CANCELLING: { label: "Cancelling", glyph: "⊘", dash: "1 3" },
  CANCELLED: { label: "Cancelled", glyph: "⊘", dash: "1 3" },
  RUNNING: { label: "Running", glyph: "◐", dash: "" },
  PAUSED: { label: "Paused", glyph: "‖", dash: "9 4" },
  SCHEDULED: { label: "Scheduled", glyph: "◷", dash: "5 3" },
  PENDING: { label: "Pending", glyph: "○", dash: "3 3" },
  COMPLETED: { label: "Completed", glyph: "✓", dash: "" },
});

const UNKNOWN = Object.freeze({ label: "Unknown", glyph: "·", dash: "2 4" });
const RANKS = new Map(Object.keys(LOOKS).map((type, rank) => [type, rank]));

/** The states of cells: words of their own, with the looks of run states. */
const CELL_STATES = ["failed", "running", "dirty", "stale", "uncached", "orphan", "fresh"];

/**
 * Return how a state type looks, also one that a later version may send.
 * @param {string} type
 * @returns {Look}
 */
export function lookOf(type) {
  return Object.hasOwn(LOOKS, type) ? LOOKS[type] : UNKNOWN;
}

/** @param {string} type */
export function isOver(type) {
  return type === "COMPLETED" || type === "FAILED" || type === "CRASHED" || type === "CANCELLED";
}

/** @param {State} state */
export function isCached(state) {
  return state.type === "COMPLETED" && state.name === "Cached";
}

/**
 * Return which of the counted kinds a state is of: its type, with cached ones apart.
 * @param {State} state
 * @param {"run" | "cells"} view
 * @returns {Facet}
 */
export function facetOf(state, view) {
  const { type, name } = state;
  if (view === "cells") {
    return { key: name, label: name, type, name };
  }
  if (isCached(state)) {
    return { key: "Cached", label: "Cached", type, name };
  }
  if (!RANKS.has(type)) {
    return { key: type, label: name || type, type, name };
  }
  return { key: type, label: lookOf(type).label, type, name: "" };
}

/**
 * Order the kinds of states: what needs a look first, what is well last.
 * @param {Facet} one
 * @param {Facet} other
 */
export function compareFacets(one, other) {
  return rankOf(one) - rankOf(other);
}

/** From what is done to what is still to come. */
const PROGRESS = [
  ...["COMPLETED", "Cached", "CANCELLED", "CANCELLING", "FAILED", "CRASHED"],
  ...["RUNNING", "PAUSED", "SCHEDULED", "PENDING"],
];
const CELL_PROGRESS = ["fresh", "uncached", "failed", "running", "stale", "dirty", "orphan"];

/**
 * Order the kinds of states as on a bar that fills.
 * @param {Facet} one
 * @param {Facet} other
 */
export function compareProgress(one, other) {
  return progressOf(one) - progressOf(other);
}

/** @param {Facet} facet */
function progressOf(facet) {
  const cell = CELL_PROGRESS.indexOf(facet.key);
  if (cell >= 0) return cell;
  const place = PROGRESS.indexOf(facet.key);
  return place < 0 ? PROGRESS.length : place;
}

/** @param {Facet} facet */
function rankOf(facet) {
  const cell = CELL_STATES.indexOf(facet.key);
  if (cell >= 0) return cell;
  if (facet.key === "Cached") return RANKS.size + 1;
  return RANKS.get(facet.type) ?? RANKS.size - 2;
}
