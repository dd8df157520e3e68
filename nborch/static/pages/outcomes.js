// Outcomes: the last runs of a deployment as small bars, the latest at the right.

import { element } from "../elements.js";
import { isOver, lookOf } from "../states.js";
import { duration, oneLine } from "../words.js";
import { now, toOne } from "./place.js";
import { timeOf } from "./run_row.js";
import { exact } from "./times.js";

/** @typedef {import("./run_row.js").RunSummary} RunSummary */

const MOST = 20;

/**
 * Return the runs as bars, as high as they took long.
 * @param {RunSummary[]} runs the latest first
 */
export function outcomeBars(runs) {
  // What waits has no outcome yet.
  const told = runs.filter(({ started, state }) => started !== null || isOver(state.type));
  const shown = told.slice(0, MOST).reverse();
  const times = shown.map(secondsOf);
  const longest = Math.max(0.001, ...times);
  const bars = shown.map((run, n) => {
    const { type, name } = run.state;
    const label = name || lookOf(type).label;
    const took = times[n] ? `, ${duration(times[n])}` : "";
    const bar = element("a", {
      href: toOne("runs", run.id),
      "data-type": type,
      title: `${oneLine(run.name, 80)}: ${label}${took}\n${exact(timeOf(run))}`,
      "aria-label": `${oneLine(run.name, 80)}: ${label}${took}`,
    });
    // Not in proportion: a run of a minute beside one of hours is still to be seen.
    bar.style.height = `${Math.round(22 + 78 * Math.sqrt(times[n] / longest))}%`;
    return bar;
  });
  const missing = Array.from({ length: MOST - bars.length }, () => element("span"));
  return element(
    "div",
    { class: "outcomes", role: "group", "aria-label": "Last runs" },
    ...missing,
    ...bars,
  );
}

/** @param {RunSummary} run */
function secondsOf({ started, ended }) {
  return started === null ? 0 : Math.max(0, (ended ?? now()) - started);
}
