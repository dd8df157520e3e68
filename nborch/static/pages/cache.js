// The page of the result cache: what it holds, and what it has saved.

import { element } from "../elements.js";
import { about, counted, duration, numeral, oneLine } from "../words.js";
import { ask, tell } from "./api.js";
import { notify, openDialog } from "./dialogs.js";
import { later } from "./later.js";
import { redraw } from "./lists.js";
import { Live } from "./live.js";
import { button, empty, section, share, size } from "./pieces.js";
import { first } from "./place.js";

/**
 * @typedef {object} CacheOfTask
 * @property {string} task
 * @property {number} entries
 * @property {number} size
 * @property {number} seconds
 * @property {number} hits
 * @property {number} seconds_saved
 *
 * @typedef {object} Cache
 * @property {string} folder
 * @property {number} size
 * @property {number | null} limit
 * @property {number} entries
 * @property {number} seconds
 * @property {number} hits
 * @property {number} seconds_saved
 * @property {CacheOfTask[]} by_task
 */

const SOON = 1_500;
const DAY = 86_400;

/** @type {[seconds: string, label: string][]} */
const AGES = [
  ["", "All results"],
  [String(DAY), "Older than a day"],
  [String(7 * DAY), "Older than a week"],
  [String(30 * DAY), "Older than 30 days"],
];

/** @param {import("./shell.js").Shell} shell */
export function showCache(shell) {
  const place = element("div");
  const refresh = later(SOON, async () => draw(await ask("cache")));
  const draw = (/** @type {Cache} */ cache) => redraw(place, ...partsOf(cache, refresh));
  const clear = button("Clear", { sign: "trash", changes: true, act: () => clearCache(null, refresh) });
  shell.head("Cache", { actions: [clear] });
  shell.main.append(place);
  draw(first.data.cache);
  new Live(["cache"], (condition) => shell.tell(condition)).on("cache", refresh).begin();
}

/**
 * @param {Cache} cache
 * @param {() => void} refresh
 */
function partsOf(cache, refresh) {
  const { by_task: tasks, entries, hits, limit, seconds_saved: saved } = cache;
  const ofLimit = limit ? `of ${size(limit)}` : "on disk";
  const figures = element(
    "dl",
    { class: "figures" },
    figure("Size", size(cache.size), ofLimit),
    figure("Results", numeral(entries), cache.seconds ? `took ${told(cache.seconds)}` : ""),
    figure("Hits", numeral(hits), "in 30 days"),
    figure("Time saved", saved ? told(saved) : "none yet", "in 30 days"),
  );
  if (!entries && !hits && !tasks.length) {
    return [
      figures,
      empty({
        sign: "cache",
        title: "No results are kept yet",
        text: "Cell tasks keep theirs by themselves. Of a function it is asked for: @task(cache_policy=INPUTS).",
        commands: ["nborch run notebook.ipynb"],
      }),
    ];
  }
  const most = Math.max(1, ...tasks.map((task) => task.size));
  const rows = tasks.map((task) => rowOf(task, most, refresh));
  const table = element(
    "table",
    { class: "table" },
    element("caption", { class: "unseen" }, "Results by task"),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, "Task"),
        element("th", { scope: "col", class: "number" }, "Results"),
        element("th", { scope: "col", class: "number" }, "Size"),
        element("th", { scope: "col", class: "number wide-only" }, "Took"),
        element("th", { scope: "col", class: "number" }, "Hits"),
        element("th", { scope: "col", class: "number wide-only" }, "Saved"),
        element("td"),
      ),
    ),
    element("tbody", {}, ...rows),
  );
  const folder = element("code", { class: "quiet" }, cache.folder);
  return [figures, section("By task", [table], { aside: folder })];
}

/**
 * @param {CacheOfTask} task
 * @param {number} most
 * @param {() => void} refresh
 */
function rowOf(task, most, refresh) {
  const name = oneLine(task.task, 80);
  const clear = button(`Clear the results of ${name}`, {
    sign: "trash",
    kind: "quiet",
    isBare: true,
    changes: true,
    act: () => clearCache(task.task, refresh),
  });
  return element(
    "tr",
    { "data-id": task.task },
    element("th", { scope: "row" }, name),
    element("td", { class: "number" }, task.entries ? numeral(task.entries) : ""),
    element(
      "td",
      { class: "number" },
      task.size > 0 &&
        element("span", { class: "with-meter" }, size(task.size), share(task.size, most)),
    ),
    element("td", { class: "number wide-only" }, task.seconds ? duration(task.seconds) : ""),
    element("td", { class: "number" }, task.hits ? numeral(task.hits) : ""),
    element(
      "td",
      { class: "number wide-only" },
      task.seconds_saved ? duration(task.seconds_saved) : "",
    ),
    element("td", { class: "number" }, task.entries ? clear : null),
  );
}

/**
 * @param {string} label
 * @param {string} value
 * @param {string} more
 */
function figure(label, value, more) {
  return element(
    "div",
    {},
    element("dt", {}, label),
    element("dd", {}, element("strong", {}, value), element("span", { class: "quiet" }, more)),
  );
}

/** @param {number} seconds */
function told(seconds) {
  return seconds < 60 ? duration(seconds) : about(seconds);
}

/**
 * @param {string | null} task
 * @param {() => void} refresh
 */
function clearCache(task, refresh) {
  const age = element(
    "select",
    { class: "field", id: "clear-age" },
    ...AGES.map(([value, label]) => element("option", { value }, label)),
  );
  openDialog({
    title: task === null ? "Clear the cache?" : `Clear the results of ${oneLine(task, 60)}?`,
    content: [
      element("p", {}, "Tasks whose results are removed are executed again when they are called."),
      element(
        "div",
        { class: "field-group" },
        element("label", { for: "clear-age" }, "Which"),
        age,
      ),
    ],
    label: "Clear",
    isDanger: true,
    act: async () => {
      /** @type {Record<string, any>} */
      const body = {};
      if (task !== null) body.task = task;
      if (age.value) body.older_than = Number(age.value);
      const { removed, freed } = await tell("POST", "cache/clear", body);
      notify(`${counted(removed, "result")} removed, ${size(freed)} freed.`);
      refresh();
    },
  });
}
