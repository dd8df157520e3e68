// The page of one work pool.

import { element } from "../elements.js";
import { badge } from "../icons.js";
import { oneLine } from "../words.js";
import { ask, part, tell } from "./api.js";
import { openDialog } from "./dialogs.js";
import { later } from "./later.js";
import { redraw } from "./lists.js";
import { Live } from "./live.js";
import { button, empty, facts, section } from "./pieces.js";
import { first, to, toOne } from "./place.js";
import { alive, editPool, load, pauseButton } from "./pools.js";
import { when } from "./times.js";
import { workerList } from "./workers.js";

/**
 * @typedef {import("./pools.js").Pool} Pool
 * @typedef {import("./run_row.js").RunSummary} RunSummary
 * @typedef {{run: RunSummary, status: string, due: number, priority: number,
 *   worker: string | null}} Queued
 */

const SOON = 800;

/** @param {import("./shell.js").Shell} shell */
export function showPool(shell) {
  /** @type {Pool} */
  let pool = first.data.pool;
  const path = `work-pools/${part(pool.name)}`;
  const [state, actions, about, place] = [
    element("span"),
    element("div", { class: "row" }),
    element("div"),
    element("div"),
  ];
  const refresh = later(SOON, async () => {
    const [changed, workers, queue] = await Promise.all([
      ask(path),
      ask("workers", { work_pool: pool.name, limit: 50 }),
      ask(`${path}/queue`, { limit: 100 }),
    ]);
    pool = changed;
    draw(workers.items, queue.items);
  });
  const remove = () =>
    openDialog({
      title: `Delete ${oneLine(pool.name, 60)}?`,
      content: [element("p", {}, "It can be deleted when no deployment names it.")],
      label: "Delete",
      isDanger: true,
      act: async () => {
        await tell("DELETE", path);
        location.assign(to("work-pools"));
      },
    });
  const draw = (/** @type {any[]} */ workers, /** @type {Queued[]} */ queue) => {
    state.replaceChildren(
      ...(pool.paused ? [element("span", { class: "tag strong" }, "Paused")] : []),
    );
    redraw(
      actions,
      pauseButton(pool, refresh),
      button("Change", { sign: "edit", changes: true, act: () => editPool(pool, refresh) }),
      button("Delete", { sign: "trash", kind: "quiet", isBare: true, changes: true, act: remove }),
    );
    about.replaceChildren(
      ...(pool.description
        ? [element("p", { class: "description" }, oneLine(pool.description, 500))]
        : []),
      facts([
        ["Type", oneLine(pool.type, 40)],
        ["Workers", alive(pool)],
        ["Load", load(pool)],
        ["Waiting", String(pool.waiting)],
        ["Deployments", pool.deployments.length ? String(pool.deployments.length) : null],
      ]),
    );
    redraw(
      place,
      section("Queue", [queueOf(queue, workers)]),
      section("Workers", [workerList(workers, pool.name)]),
    );
  };
  shell.head(oneLine(pool.name, 120), {
    back: ["Work pools", to("work-pools")],
    trail: state,
    actions: [actions],
    under: about,
  });
  shell.main.append(place);
  draw(first.data.workers.items, first.data.queue.items);
  new Live(["pools"], (condition) => shell.tell(condition)).on("pools", refresh).begin();
}

/**
 * @param {Queued[]} queue
 * @param {import("./workers.js").Worker[]} workers
 */
function queueOf(queue, workers) {
  if (!queue.length) {
    return empty({
      sign: "check",
      title: "Nothing waits",
      text: "Runs appear here until a worker has done them.",
    });
  }
  const names = new Map(workers.map(({ id, name }) => [id, name]));
  return element(
    "ul",
    { class: "lines queue", "aria-label": "Queue" },
    ...queue.map(({ run, due, priority, worker }) =>
      element(
        "li",
        { "data-id": run.id },
        element(
          "div",
          { class: "line-main" },
          element(
            "span",
            { class: "state-sign", "data-type": run.state.type },
            badge(run.state.type, run.state.name),
          ),
          element("a", { class: "main-link", href: toOne("runs", run.id) }, oneLine(run.name, 80)),
          element("span", { class: "quiet" }, oneLine(run.deployment?.name ?? run.flow, 80)),
        ),
        element("span", { class: "quiet" }, priority ? `priority ${priority}` : ""),
        element(
          "span",
          { class: "quiet" },
          worker ? oneLine(names.get(worker) ?? worker, 60) : oneLine(run.state.name, 40),
        ),
        when(run.started ?? due, run.started ? "started " : "due "),
      ),
    ),
  );
}
