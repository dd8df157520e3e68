// The time scale: where a time is on the line, with long pauses cut short.

import { duration } from "./words.js";

/**
 * @typedef {object} Scale
 * @property {(time: number) => number} at from 0 to 1
 * @property {{share: number, label: string}[]} ticks
 * @property {number[]} cuts where pauses were cut short, from 0 to 1
 */

/** A pause of more than this share of the work is cut to that share. */
const LONG = 0.5;
const CUT = 0.04;

const STEPS = [
  ...[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30],
  ...[60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800],
];

/**
 * Return the scale for stretches of time.
 * @param {[number, number][]} stretches
 * @param {number} [most] how many ticks
 * @returns {Scale}
 */
export function timescale(stretches, most = 7) {
  const busy = merged(stretches);
  if (!busy.length) return { at: () => 0, ticks: [], cuts: [] };
  const work = Math.max(
    1e-3,
    busy.reduce((sum, [start, end]) => sum + end - start, 0),
  );
  /** @type {{from: number, to: number, start: number, length: number, isCut: boolean}[]} */
  const pieces = [];
  let length = 0;
  busy.forEach(([start, end], n) => {
    const pause = n ? start - busy[n - 1][1] : 0;
    if (n) {
      const isCut = pause > work * LONG;
      const taken = isCut ? work * CUT : pause;
      pieces.push({ from: busy[n - 1][1], to: start, start: length, length: taken, isCut });
      length += taken;
    }
    pieces.push({ from: start, to: end, start: length, length: end - start, isCut: false });
    length += end - start;
  });
  length = Math.max(length, 1e-3);
  /** @param {number} time */
  const at = (time) => {
    const piece = pieces.find(({ to }) => time <= to) ?? pieces[pieces.length - 1];
    const span = piece.to - piece.from;
    const share = span > 0 ? Math.min(1, Math.max(0, (time - piece.from) / span)) : 0;
    return (piece.start + share * piece.length) / length;
  };
  const cuts = pieces
    .filter(({ isCut }) => isCut)
    .map((piece) => (piece.start + piece.length / 2) / length);
  return { at, cuts, ticks: ticksOf(busy, at, most, length) };
}

/**
 * @param {[number, number][]} stretches
 * @returns {[number, number][]}
 */
function merged(stretches) {
  const sorted = stretches.filter(([a, b]) => b >= a).sort((one, other) => one[0] - other[0]);
  /** @type {[number, number][]} */
  const found = [];
  for (const [start, end] of sorted) {
    const last = found[found.length - 1];
    if (last && start <= last[1]) last[1] = Math.max(last[1], end);
    else found.push([start, end]);
  }
  return found;
}

/**
 * @param {[number, number][]} busy
 * @param {(time: number) => number} at
 * @param {number} most
 * @param {number} length
 */
function ticksOf(busy, at, most, length) {
  const step = STEPS.find((seconds) => length / seconds <= most) ?? length / most;
  const first = busy[0][0];
  /** @type {{share: number, label: string}[]} */
  const ticks = [];
  for (const [start, end] of busy) {
    for (let n = Math.ceil((start - first) / step - 1e-9); first + n * step <= end; n += 1) {
      const label =
        n === 0
          ? "0"
          : duration(n * step)
              .replace(/\.0 s$/, " s")
              .replace(/ min 0 s$/, " min");
      ticks.push({ share: at(first + n * step), label });
      if (ticks.length > 4 * most) return ticks;
    }
  }
  return ticks.filter(({ share }, n) => n === 0 || share - ticks[n - 1].share > 0.5 / most);
}
