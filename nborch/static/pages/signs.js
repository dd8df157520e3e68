// Signs: small drawings beside words, in the colour of the text around.

import { shape } from "../elements.js";

/** Lines on a field of 16 by 16. */
const SIGNS = Object.freeze({
  runs: "M2.5 4h2M2.5 8h2M2.5 12h2M7 4h6.5M7 8h6.5M7 12h4.5",
  deployments: "M8 1.8l5.8 3.1L8 8 2.2 4.9zM2.4 8.1L8 11.1l5.6-3M2.4 11.2L8 14.2l5.6-3",
  pools: "M2.5 2.8h11v4.1h-11zM2.5 9.1h11v4.1h-11zM5 4.9h.1M5 11.2h.1",
  limits: "M2.6 12.2a6 6 0 1 1 10.8 0M8 9.6l2.6-3.4M8 9.6h.1",
  cache:
    "M2.8 3.9c0-2.6 10.4-2.6 10.4 0v8.2c0 2.6-10.4 2.6-10.4 0zM2.8 3.9c0 2.6 10.4 2.6 10.4 0M2.8 8c0 2.6 10.4 2.6 10.4 0",
  settings: "M2 4.6h5.6M11.4 4.6H14M2 11.4h2.6M8.4 11.4H14M9.5 2.8v3.6M6.5 9.6v3.6",
  search: "M7 2.6a4.4 4.4 0 1 1 0 8.8 4.4 4.4 0 0 1 0-8.8M10.3 10.3l3.4 3.4",
  filter: "M2.2 4h11.6M4.4 8h7.2M6.6 12h2.8",
  copy: "M5.6 5.6h7.6v7.6H5.6zM10.4 5.4V2.8H2.8v7.6h2.6",
  check: "M3 8.6l3.2 3.2L13 4.6",
  close: "M4 4l8 8M12 4l-8 8",
  play: "M5 3.2l7.6 4.8L5 12.8z",
  pause: "M5.4 3.4v9.2M10.6 3.4v9.2",
  stop: "M4 4h8v8H4z",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2.4v2.8h-2.8",
  back: "M9.8 3.6L5.4 8l4.4 4.4",
  on: "M6.2 3.6L10.6 8l-4.4 4.4",
  down: "M3.6 6.2L8 10.6l4.4-4.4",
  plus: "M8 3v10M3 8h10",
  trash: "M2.8 4.4h10.4M6 4.2V2.6h4v1.6M4.2 4.6l.6 8.8h6.4l.6-8.8",
  more: "M3.4 8h.1M8 8h.1M12.6 8h.1",
  sun: "M8 5.2a2.8 2.8 0 1 1 0 5.6 2.8 2.8 0 0 1 0-5.6M8 1.4v1.4M8 13.2v1.4M1.4 8h1.4M13.2 8h1.4M3.3 3.3l1 1M11.7 11.7l1 1M3.3 12.7l1-1M11.7 4.3l1-1",
  moon: "M13.4 9.6A5.8 5.8 0 0 1 6.4 2.6a5.8 5.8 0 1 0 7 7z",
  keys: "M2 4.2h12v7.6H2zM4.6 6.8h.1M7 6.8h.1M9.4 6.8h.1M11.6 6.8h.1M5.4 9.4h5.2",
  clock: "M8 2.2a5.8 5.8 0 1 1 0 11.6A5.8 5.8 0 0 1 8 2.2M8 4.8V8l2.2 1.4",
  history: "M2.6 8a5.4 5.4 0 1 0 1.8-4M2.6 2.6v2.6h2.6M8 5.2V8l2 1.4",
  edit: "M10.6 2.8l2.6 2.6-7.6 7.6-3.2.6.6-3.2zM9 4.4L11.6 7",
  external: "M9.4 2.8h3.8v3.8M13 3L7.6 8.4M11.4 9v4H3V4.6h4",
  file: "M4 1.8h5.2L12.4 5v9.2H4zM9 2v3.2h3.2",
});

/** @typedef {keyof typeof SIGNS} Sign */

/**
 * Return a sign; what it means is told by the words beside it.
 * @param {Sign} name
 */
export function sign(name) {
  return shape(
    "svg",
    { class: "sign", viewBox: "0 0 16 16", width: 16, height: 16, "aria-hidden": "true" },
    shape("path", { d: SIGNS[name] }),
  );
}

/** The mark of the project: two runs that join in a third. */
export function mark() {
  return shape(
    "svg",
    { class: "mark", viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true" },
    shape("path", { d: "M5.6 5.2h2.2c2.4 0 2 4.8 4.4 4.8M5.6 14.8h2.2c2.4 0 2-4.8 4.4-4.8" }),
    shape("circle", { cx: 4, cy: 5.2, r: 2.2 }),
    shape("circle", { cx: 4, cy: 14.8, r: 2.2 }),
    shape("circle", { cx: 15.2, cy: 10, r: 3 }),
  );
}
