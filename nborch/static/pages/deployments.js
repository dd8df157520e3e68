// The page of all deployments.

import { element } from "../elements.js";
import { oneLine } from "../words.js";
import { ask } from "./api.js";
import { Live } from "./live.js";
import { outcomeBars } from "./outcomes.js";
import { button, empty, tagList } from "./pieces.js";
import { first, now, to, toOne } from "./place.js";
import { runNow } from "./run_now.js";
import { addListKeys, redraw } from "./lists.js";
import { sign } from "./signs.js";
import { when } from "./times.js";
import { later } from "./later.js";

/** @typedef {import("./run_now.js").Deployment} Deployment */

/** Their last runs are asked for again at most so often. */
const SOON = 1_500;

/** @param {import("./shell.js").Shell} shell */
export function showDeployments(shell) {
  shell.head("Deployments");
  const place = element("div");
  shell.main.append(place);
  const draw = (/** @type {Deployment[]} */ items) => {
    redraw(place, items.length ? listOf(items) : nothing());
  };
  /** @type {Deployment[]} */
  let known = first.data.deployments.items;
  draw(known);
  addListKeys(shell.keys, place, "deployment");
  const refresh = later(SOON, async () => {
    const { items } = await ask("deployments", { limit: 200 });
    known = items;
    draw(items);
  });
  new Live(["deployments", "runs"], (condition) => shell.tell(condition))
    .on("deployments", refresh)
    .on("runs", ({ items, again }) => {
      const ours = new Set(known.map(({ id }) => id));
      const isOurs = (/** @type {any} */ run) => run.deployment && ours.has(run.deployment.id);
      if (again || items.some(isOurs)) refresh();
    })
    .begin();
}

/** @param {Deployment[]} items */
function listOf(items) {
  return element("ul", { class: "cards", "aria-label": "Deployments" }, ...items.map(cardOf));
}

/** @param {Deployment} deployment */
function cardOf(deployment) {
  const { id, name, flow, paused, schedules, last, work_pool: pool, tags } = deployment;
  const run = button("Run", { sign: "play", changes: true, act: () => runNow(deployment) });
  run.setAttribute("aria-label", `Run ${deployment.full_name}`);
  return element(
    "li",
    { class: "card", "data-id": id, "data-paused": paused },
    element(
      "div",
      { class: "card-main" },
      element(
        "div",
        { class: "card-name" },
        element("a", { class: "main-link", href: toOne("deployments", id) }, oneLine(name, 80)),
        element("span", { class: "quiet" }, oneLine(flow, 80)),
        paused && element("span", { class: "tag strong" }, "Paused"),
      ),
      element(
        "div",
        { class: "card-about" },
        scheduleOf(deployment),
        pool &&
          element("a", { class: "quiet-link", href: toOne("work-pools", pool) }, oneLine(pool, 60)),
        tags.length > 0 && tagList(tags, (tag) => to("", { tag })),
      ),
    ),
    element("div", { class: "card-next" }, nextOf(schedules, paused), lastOf(last)),
    outcomeBars(last),
    run,
  );
}

/** @param {Deployment} deployment */
function scheduleOf({ schedules }) {
  if (!schedules.length) return element("span", { class: "quiet" }, "By hand");
  const words = schedules.map(({ words: told }) => told).join("; ");
  const made = element("span", { class: "schedule" }, sign("clock"), oneLine(words, 120));
  return made;
}

/**
 * @param {Deployment["schedules"]} schedules
 * @param {boolean} isPaused
 */
function nextOf(schedules, isPaused) {
  const times = schedules.filter(({ active }) => active).flatMap(({ next }) => next.slice(0, 1));
  if (isPaused || !times.length) return null;
  const next = Math.min(...times);
  return when(next, next < now() ? "due " : "next ");
}

/** @param {Deployment["last"]} last */
function lastOf(last) {
  const run = last.find(({ started }) => started !== null);
  return run ? when(run.started, "last ") : null;
}

function nothing() {
  return empty({
    sign: "deployments",
    title: "No deployments yet",
    text: "A deployment is a flow or a notebook that runs by a schedule, or when somebody asks.",
    commands: [
      'nborch deploy report.ipynb --name nightly --cron "0 6 * * *"',
      "nborch deploy flows.py:my_flow --name by-hand",
    ],
  });
}
