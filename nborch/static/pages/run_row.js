// A row of a list of runs.

import { element, say, set } from "../elements.js";
import { isOver, LOOKS, lookOf } from "../states.js";
import { oneLine } from "../words.js";
import { setStateSign, tagList } from "./pieces.js";
import { to, toOne } from "./place.js";
import { setLasting, setWhen } from "./times.js";

/**
 * @typedef {object} RunSummary see nborch/control/forms.py
 * @property {string} id
 * @property {string} name
 * @property {string} flow
 * @property {string} kind
 * @property {import("../protocol.js").State} state
 * @property {number} created
 * @property {number | null} started
 * @property {number | null} ended
 * @property {number | null} due
 * @property {{id: string, name: string} | null} deployment
 * @property {string | null} work_pool
 * @property {string[]} tags
 * @property {string | null} parent
 * @property {Record<string, number> | null} tasks
 * @property {string | null} notebook
 * @property {number} attempt
 */

/** From what is done to what is still to come. */
const PROGRESS = [
  ...["COMPLETED", "CANCELLED", "CANCELLING", "FAILED", "CRASHED"],
  ...["RUNNING", "PAUSED", "SCHEDULED", "PENDING"],
];

/**
 * Show how many tasks are in which state, as a bar that fills.
 * @param {HTMLElement} bar
 * @param {Record<string, number> | null} tasks
 */
export function setTaskBar(bar, tasks) {
  const counts = Object.entries(tasks ?? {}).filter(([, count]) => count > 0);
  counts.sort(([one], [other]) => PROGRESS.indexOf(one) - PROGRESS.indexOf(other));
  const told = counts.map(([type, count]) => `${count} ${lookOf(type).label.toLowerCase()}`);
  const label = told.join(", ");
  if (bar.dataset.told === label) return;
  set(bar, "data-told", label);
  set(bar, "hidden", counts.length === 0);
  set(bar, "aria-label", label && `Tasks: ${label}`);
  set(bar, "title", label);
  bar.replaceChildren(
    ...counts.map(([type, count]) => {
      const part = element("span", { "data-type": type });
      part.style.flexGrow = String(count);
      return part;
    }),
  );
}

/** Return a bar for the tasks of a run. */
export function taskBar() {
  return element("span", { class: "task-bar", role: "img", hidden: true });
}

/**
 * Return when a run began, or is to begin.
 * @param {RunSummary} run
 */
export function timeOf(run) {
  return run.started ?? (isOver(run.state.type) ? run.created : (run.due ?? run.created));
}

/** One row; it is kept while the run is in sight. */
export class RunRow {
  constructor() {
    this.sign = element("span", { class: "state-sign" });
    this.link = element("a", { class: "run-name" });
    this.flow = element("a", { class: "run-flow quiet-link" });
    this.from = element("a", { class: "run-from quiet-link" });
    this.tags = element("span", { class: "run-tags" });
    this.tasks = taskBar();
    this.time = element("time", { class: "time run-when" });
    this.took = element("span", { class: "time run-took" });
    this.element = element(
      "li",
      { class: "run-row" },
      this.sign,
      element("span", { class: "run-main" }, this.link, this.flow),
      element("span", { class: "run-about" }, this.from, this.tags),
      element("span", { class: "run-tasks" }, this.tasks),
      this.time,
      this.took,
    );
  }

  #tagged = "";

  /** @param {RunSummary} run */
  update(run) {
    setStateSign(this.sign, run.state);
    say(this.link, oneLine(run.name, 120));
    set(this.link, "href", toOne("runs", run.id));
    set(this.element, "data-id", run.id);
    set(this.element, "data-type", run.state.type);
    say(this.flow, run.flow === run.name ? "" : oneLine(run.flow, 120));
    set(this.flow, "href", to("", { flow: run.flow }));
    set(this.from, "hidden", run.deployment === null);
    if (run.deployment) {
      say(this.from, oneLine(run.deployment.name.split("/").at(-1), 80));
      set(this.from, "title", `Deployment ${run.deployment.name}`);
      set(this.from, "href", toOne("deployments", run.deployment.id));
    }
    const tagged = run.tags.join("\n");
    if (tagged !== this.#tagged) {
      this.#tagged = tagged;
      this.tags.replaceChildren(tagList(run.tags.slice(0, 3), (tag) => to("", { tag })));
    }
    setTaskBar(this.tasks, run.tasks);
    const waits = run.started === null && !isOver(run.state.type);
    setWhen(this.time, timeOf(run), !waits ? "" : run.due === null ? "made " : "due ");
    setLasting(this.took, run.started, isOver(run.state.type) ? (run.ended ?? null) : run.ended);
    if (isOver(run.state.type) && run.ended === null) setLasting(this.took, null, null);
  }
}

/** The types of states, those that matter most first. */
export const TYPES = Object.keys(LOOKS);
