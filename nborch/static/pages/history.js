// The strip of recent history: how many runs there were when, and how they ended.

import { element, say, set } from "../elements.js";
import { lookOf } from "../states.js";
import { numeral } from "../words.js";
import { dayOf, timeOfDay } from "./times.js";

/**
 * @typedef {{start: number, end: number, states: Record<string, number>}} Bin
 */

const DAY = 86_400;

/** Milliseconds after the first frame: what else there is has been painted by then. */
const LATER = 50;

/** From the bottom of a bar to its top. */
const ORDER = [
  ...["COMPLETED", "CANCELLED", "CANCELLING", "SCHEDULED", "PENDING", "PAUSED"],
  ...["RUNNING", "CRASHED", "FAILED"],
];

export class HistoryStrip {
  /** @param {(since: number, until: number) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
    this.bars = element("div", { class: "history-bars", role: "img" });
    this.mark = element("div", { class: "history-mark", hidden: true });
    this.from = element("span");
    this.until = element("span");
    this.element = element(
      "figure",
      { class: "history" },
      element("div", { class: "history-field" }, this.bars, this.mark),
      element("figcaption", {}, this.from, this.until),
    );
    /** @type {Bin[]} */
    this.bins = [];
    this.bars.addEventListener("pointerdown", (event) => this.#begin(event));
  }

  /** @param {Bin[]} bins */
  show(bins) {
    this.bins = bins;
    const totals = bins.map(({ states }) => sum(states));
    const all = totals.reduce((one, other) => one + other, 0);
    const bad = bins.reduce(
      (count, { states }) => count + (states.FAILED ?? 0) + (states.CRASHED ?? 0),
      0,
    );
    const [first, last] = [bins[0], bins.at(-1)];
    if (!first || !last) return;
    const isLong = last.end - first.start > 1.5 * DAY;
    const told = (/** @type {number} */ at) =>
      isLong ? `${dayOf(at)} ${timeOfDay(at)}` : timeOfDay(at);
    say(this.from, told(first.start));
    say(this.until, told(last.end));
    set(
      this.bars,
      "aria-label",
      `From ${told(first.start)} to ${told(last.end)}: ${numeral(all)} runs, ${numeral(bad)} went wrong`,
    );
    // Hundreds of small parts: nobody waits for them to see the runs.
    if (this.bars.childElementCount) this.#draw();
    else requestAnimationFrame(() => window.setTimeout(() => this.#draw(), LATER));
  }

  #draw() {
    const { bars, bins } = this;
    const totals = bins.map(({ states }) => sum(states));
    const most = Math.max(1, ...totals);
    while (bars.childElementCount > bins.length) bars.lastElementChild?.remove();
    while (bars.childElementCount < bins.length) bars.append(element("div"));
    bins.forEach((bin, n) => {
      const bar = /** @type {HTMLElement} */ (bars.children[n]);
      drawBar(bar, bin, totals[n], most);
    });
  }

  /** @param {number} x */
  #placeOf(x) {
    const { left, width } = this.bars.getBoundingClientRect();
    const place = Math.floor(((x - left) / width) * this.bins.length);
    return Math.max(0, Math.min(this.bins.length - 1, place));
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (event.button !== 0 || !this.bins.length) return;
    const { bars, mark } = this;
    const begun = this.#placeOf(event.clientX);
    let [low, high] = [begun, begun];
    const draw = () => {
      const share = 100 / this.bins.length;
      mark.style.left = `${low * share}%`;
      mark.style.width = `${(high - low + 1) * share}%`;
      set(mark, "hidden", false);
    };
    draw();
    bars.setPointerCapture(event.pointerId);
    /** @param {PointerEvent} moved */
    const move = (moved) => {
      const place = this.#placeOf(moved.clientX);
      [low, high] = [Math.min(begun, place), Math.max(begun, place)];
      draw();
    };
    /** @param {PointerEvent} ended */
    const end = (ended) => {
      bars.removeEventListener("pointermove", move);
      bars.removeEventListener("pointerup", end);
      bars.removeEventListener("pointercancel", end);
      set(mark, "hidden", true);
      if (ended.type === "pointerup") this.chosen(this.bins[low].start, this.bins[high].end);
    };
    bars.addEventListener("pointermove", move);
    bars.addEventListener("pointerup", end);
    bars.addEventListener("pointercancel", end);
  }
}

/**
 * @param {HTMLElement} bar
 * @param {Bin} bin
 * @param {number} total
 * @param {number} most
 */
function drawBar(bar, { start, end, states }, total, most) {
  const parts = ORDER.filter((type) => states[type]);
  const counts = parts.map(
    (type) => `${numeral(states[type])} ${lookOf(type).label.toLowerCase()}`,
  );
  const isLong = end - start > DAY / 2;
  const span = isLong
    ? `${dayOf(start)} – ${dayOf(end)}`
    : `${dayOf(start)} ${timeOfDay(start)} – ${timeOfDay(end)}`;
  const told = total ? `${span}\n${counts.join("\n")}` : `${span}\nno runs`;
  if (bar.title === told && bar.dataset.most === String(most)) return;
  bar.title = told;
  bar.dataset.most = String(most);
  bar.replaceChildren(
    ...parts.map((type) => {
      const part = element("span", { "data-type": type });
      // Even a single one among thousands is to be seen.
      part.style.height = `max(2px, ${((states[type] / most) * 100).toFixed(2)}%)`;
      return part;
    }),
  );
}

/** @param {Record<string, number>} states */
function sum(states) {
  return Object.values(states).reduce((one, other) => one + other, 0);
}
