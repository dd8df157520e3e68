// What is known of a run besides its tasks: parameters, states, artifacts, the error.

import { element } from "../elements.js";
import { badge } from "../icons.js";
import { duration, oneLine, shortened } from "../words.js";
import { ask, part } from "./api.js";
import { empty, size } from "./pieces.js";
import { exact, when } from "./times.js";

/**
 * @typedef {import("../protocol.js").Happening} Happening
 */

const LONGEST = 20_000;

/**
 * Return names with their values, as JSON.
 * @param {Record<string, any>} values
 * @param {string} label
 */
export function valueTable(values, label) {
  const rows = Object.entries(values).map(([name, value]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, oneLine(name)),
      element("td", {}, valueOf(value)),
    ),
  );
  const caption = element("caption", { class: "unseen" }, label);
  return element("table", { class: "values" }, caption, element("tbody", {}, ...rows));
}

/** @param {any} value */
function valueOf(value) {
  const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
  const isLong = text.length > 80 || text.includes("\n");
  const kind = value === null ? "null" : typeof value;
  const shown = shortened(text, LONGEST) || '""';
  return element(
    isLong ? "pre" : "code",
    { "data-kind": kind, tabindex: isLong ? 0 : null },
    shown,
  );
}

/** @param {Record<string, any>} parameters */
export function parametersOf(parameters) {
  if (Object.keys(parameters).length) return valueTable(parameters, "Parameters");
  return empty({ sign: "settings", title: "No parameters", text: "This run was given no values." });
}

/** The states that a run has entered, asked for again when it enters another. */
export class RunStates {
  /** @param {string} run */
  constructor(run) {
    this.run = run;
    this.element = element("ol", { class: "states", "aria-label": "States" });
  }

  #isShown = false;

  show() {
    this.#isShown = true;
    this.refresh();
    return this.element;
  }

  hide() {
    this.#isShown = false;
  }

  async refresh() {
    if (!this.#isShown) return;
    const told = await ask(`runs/${part(this.run)}/states`).catch(() => null);
    if (!told) return;
    /** @type {Happening[]} */
    const items = told.items;
    this.element.replaceChildren(...items.map((item, n) => happeningOf(item, items[n + 1])));
  }
}

/**
 * @param {Happening} happening
 * @param {Happening | undefined} after
 */
function happeningOf({ at, type, name, message, attempt }, after) {
  const stayed = after && after.at - at >= 0.001 ? `for ${duration(after.at - at)}` : "";
  return element(
    "li",
    { "data-type": type },
    element("span", { class: "state-sign" }, badge(type, name)),
    element(
      "div",
      {},
      element("strong", {}, oneLine(name)),
      attempt && attempt > 1 ? element("span", { class: "quiet" }, ` attempt ${attempt}`) : null,
      message ? element("p", {}, shortened(message, 2_000)) : null,
    ),
    element("span", { class: "quiet states-time", title: exact(at) }, stayed),
    when(at),
  );
}

/**
 * @param {{name: string, kind: string, preview: string | null, size: number | null}[]} artifacts
 * @param {string | null} result
 */
export function artifactsOf(artifacts, result) {
  const rows = artifacts.map(({ name, kind, preview, size: bytes }) =>
    element(
      "li",
      {},
      element(
        "div",
        { class: "artifact-head" },
        element("strong", {}, oneLine(name)),
        element("span", { class: "tag" }, oneLine(kind, 80)),
        element("span", { class: "quiet" }, bytes === null ? "" : size(bytes)),
      ),
      preview ? element("pre", { tabindex: 0 }, shortened(preview, LONGEST)) : null,
    ),
  );
  // Of results with names it is only these.
  if (result !== null && !artifacts.length) {
    rows.unshift(
      element(
        "li",
        {},
        element("div", { class: "artifact-head" }, element("strong", {}, "What it returned")),
        element("pre", { tabindex: 0 }, shortened(result, LONGEST)),
      ),
    );
  }
  if (rows.length) return element("ul", { class: "artifacts" }, ...rows);
  return empty({
    sign: "file",
    title: "Nothing was left behind",
    text: "What a flow returns, and what cells keep by name, appears here.",
    commands: [],
  });
}

/** @param {{type: string, message: string, traceback: string | null}} error */
export function errorOf({ type, message, traceback }) {
  const more =
    traceback &&
    element(
      "details",
      {},
      element("summary", {}, "Traceback"),
      element("pre", { tabindex: 0 }, shortened(traceback, LONGEST)),
    );
  return element(
    "div",
    { class: "error", "data-type": "FAILED", role: "group", "aria-label": "Error" },
    element(
      "p",
      {},
      element("strong", {}, oneLine(type, 120)),
      message && message !== type ? ` ${shortened(message, 2_000)}` : "",
    ),
    more,
  );
}
