// Icons: the signs of states, drawn, so that they look the same with every font.

import { shape } from "./elements.js";

/**
 * Around a middle of 0, 7 each way. Solid ones are filled, with a sign on top.
 * @type {Readonly<Record<string, {solid: boolean, sign: string}>>}
 */
const ICONS = Object.freeze({
  COMPLETED: { solid: true, sign: "M-3 .2L-.9 2.4L3.2 -2.2" },
  FAILED: { solid: true, sign: "M-2.4 -2.4L2.4 2.4M2.4 -2.4L-2.4 2.4" },
  CRASHED: { solid: true, sign: "M-1.6 -3.4V.6M-1.6 3V3.1M1.6 -3.4V.6M1.6 3V3.1" },
  RUNNING: { solid: false, sign: "" },
  PENDING: { solid: false, sign: "" },
  SCHEDULED: { solid: false, sign: "M0 -3.2V0L2.4 1.6" },
  PAUSED: { solid: false, sign: "M-1.7 -2.4V2.4M1.7 -2.4V2.4" },
  CANCELLED: { solid: false, sign: "M-4 4L4 -4" },
  CANCELLING: { solid: false, sign: "M-4 4L4 -4" },
});

const CACHED = { solid: false, sign: "M-2.8 .2L-.8 2.2L3 -2" };
const DIRTY = { solid: false, sign: "M-2.8 -1.3H2.8M-2.8 1.3H2.8M1.6 -3.4L-1.6 3.4" };
const UNKNOWN_ICON = { solid: false, sign: "M-.1 0H.1" };

/**
 * Return a drawing of a state, to be placed in an SVG.
 * @param {string} type
 * @param {string} name
 */
export function icon(type, name) {
  const drawn = iconOf(type, name);
  const parts = [shape("circle", { r: 6, class: drawn.solid ? "nb-solid" : "nb-ring" })];
  if (type === "RUNNING") {
    parts.push(/** @type {any} */ (shape("path", { d: "M0 -6A6 6 0 0 1 0 6Z", class: "nb-half" })));
  }
  if (drawn.sign) {
    parts.push(/** @type {any} */ (shape("path", { d: drawn.sign, class: "nb-sign" })));
  }
  const kind = drawn.solid ? "nb-icon nb-icon-solid" : "nb-icon";
  return shape("g", { class: kind, "aria-hidden": "true" }, ...parts);
}

/**
 * Return a drawing of a state as an element among text.
 * @param {string} type
 * @param {string} name
 */
export function badge(type, name) {
  return shape(
    "svg",
    {
      class: "nb-badge",
      viewBox: "-7 -7 14 14",
      width: 14,
      height: 14,
      "data-type": type,
      "aria-hidden": "true",
    },
    icon(type, name),
  );
}

/**
 * @param {string} type
 * @param {string} name
 */
function iconOf(type, name) {
  if (type === "COMPLETED" && name === "Cached") return CACHED;
  if (name === "dirty") return DIRTY;
  return Object.hasOwn(ICONS, type) ? ICONS[type] : UNKNOWN_ICON;
}
