// The page of all work pools, and the workers that take their runs.

import { element, set } from "../elements.js";
import { oneLine } from "../words.js";
import { ask, part, tell } from "./api.js";
import { acts, openDialog } from "./dialogs.js";
import { later } from "./later.js";
import { addListKeys, redraw } from "./lists.js";
import { Live } from "./live.js";
import { button, empty, meter, section } from "./pieces.js";
import { first, toOne } from "./place.js";
import { plainField } from "./run_now.js";
import { workerList } from "./workers.js";

/**
 * @typedef {object} Pool
 * @property {string} name
 * @property {string} type
 * @property {number | null} limit
 * @property {boolean} paused
 * @property {string | null} description
 * @property {number} running
 * @property {number} waiting
 * @property {string[]} deployments
 * @property {string[]} workers
 */

const SOON = 800;

/** @param {import("./shell.js").Shell} shell */
export function showPools(shell) {
  const refresh = later(SOON, async () => {
    const [pools, workers] = await Promise.all([
      ask("work-pools", { limit: 200 }),
      ask("workers", { limit: 200, status: ["online"] }),
    ]);
    draw(pools.items, workers.items);
  });
  const create = button("New pool", {
    sign: "plus",
    changes: true,
    act: () => editPool(null, refresh),
  });
  shell.head("Work pools", { actions: [create] });
  const place = element("div");
  shell.main.append(place);
  const draw = (/** @type {Pool[]} */ pools, /** @type {any[]} */ workers) => {
    redraw(
      place,
      pools.length ? listOf(pools, refresh) : nothing(),
      section("Workers", [workerList(workers)]),
    );
  };
  draw(first.data.pools.items, first.data.workers.items);
  addListKeys(shell.keys, place, "pool");
  new Live(["pools"], (condition) => shell.tell(condition)).on("pools", refresh).begin();
}

/**
 * @param {Pool[]} pools
 * @param {() => void} refresh
 */
function listOf(pools, refresh) {
  return element(
    "ul",
    { class: "cards", "aria-label": "Work pools" },
    ...pools.map((pool) =>
      element(
        "li",
        { class: "card", "data-id": pool.name, "data-paused": pool.paused },
        element(
          "div",
          { class: "card-main" },
          element(
            "div",
            { class: "card-name" },
            element(
              "a",
              { class: "main-link", href: toOne("work-pools", pool.name) },
              oneLine(pool.name, 80),
            ),
            element("span", { class: "quiet" }, oneLine(pool.type, 40)),
            pool.paused && element("span", { class: "tag strong" }, "Paused"),
          ),
          element(
            "div",
            { class: "card-about" },
            alive(pool),
            element("span", { class: "quiet" }, oneLine(pool.description, 120)),
          ),
        ),
        load(pool),
        element(
          "div",
          { class: "card-figure" },
          element("strong", {}, String(pool.waiting)),
          element("span", { class: "quiet" }, "waiting"),
        ),
        pauseButton(pool, refresh),
      ),
    ),
  );
}

/** @param {Pool} pool */
export function alive({ workers }) {
  const { length } = workers;
  const label = length === 1 ? "1 worker online" : `${length || "No"} workers online`;
  return element("span", { class: "alive", "data-alive": length > 0 }, label);
}

/** @param {Pool} pool */
export function load({ limit, running }) {
  const told = limit === null ? `${running} running` : `${running} of ${limit} running`;
  return element(
    "div",
    { class: "load" },
    element("span", {}, told),
    limit === null ? null : meter(running, limit, told),
  );
}

/**
 * @param {Pool} pool
 * @param {() => void} refresh
 */
export function pauseButton({ name, paused }, refresh) {
  const made = button(paused ? "Resume" : "Pause", {
    sign: paused ? "play" : "pause",
    changes: true,
  });
  set(made, "aria-label", `${paused ? "Resume" : "Pause"} ${name}`);
  return acts(made, async () => {
    await tell("PATCH", `work-pools/${part(name)}`, { paused: !paused });
    refresh();
  });
}

/**
 * Create a pool, or change one.
 * @param {Pool | null} pool
 * @param {() => void} done
 */
export function editPool(pool, done) {
  const name = plainField("Name", "text", "as workers and deployments call it");
  const limit = plainField(
    "Runs at once",
    "number",
    "no limit if left empty",
    String(pool?.limit ?? ""),
  );
  const description = plainField("Description", "text", "what it is for", pool?.description ?? "");
  openDialog({
    title: pool ? `Change ${oneLine(pool.name, 60)}` : "New work pool",
    label: pool ? "Save" : "Create",
    content: [pool === null && name.element, limit.element, description.element],
    act: async () => {
      const body = {
        limit: limit.input.value === "" ? null : Number(limit.input.value),
        description: description.input.value.trim() || null,
      };
      if (pool) await tell("PATCH", `work-pools/${part(pool.name)}`, body);
      else await tell("POST", "work-pools", { name: name.input.value.trim(), ...body });
      done();
    },
  });
}

function nothing() {
  return empty({
    sign: "pools",
    title: "No work pools yet",
    text: "Runs of deployments wait in a pool until a worker takes them, on this machine or another.",
    commands: ["nborch work-pool create nightly", "nborch worker start --pool nightly"],
  });
}
