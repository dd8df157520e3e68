// The page of concurrency limits: how much may go on at once, and who holds it.

import { element, set } from "../elements.js";
import { oneLine } from "../words.js";
import { ask, part, tell } from "./api.js";
import { notify, openDialog } from "./dialogs.js";
import { later } from "./later.js";
import { redraw } from "./lists.js";
import { Live } from "./live.js";
import { button, empty, meter } from "./pieces.js";
import { first, toOne } from "./place.js";
import { plainField } from "./run_now.js";
import { when } from "./times.js";

/**
 * @typedef {object} Holder
 * @property {string} name
 * @property {string | null} run
 * @property {number} slots
 * @property {number} since
 *
 * @typedef {object} Limit
 * @property {string} name
 * @property {number} slots
 * @property {number} in_use
 * @property {number} slot_decay_per_second
 * @property {Holder[]} holders
 */

const SOON = 500;

/** @param {import("./shell.js").Shell} shell */
export function showLimits(shell) {
  const place = element("div");
  const refresh = later(SOON, async () =>
    draw((await ask("concurrency-limits", { limit: 200 })).items),
  );
  const draw = (/** @type {Limit[]} */ limits) => {
    redraw(place, limits.length ? listOf(limits, refresh) : nothing());
  };
  const create = button("New limit", {
    sign: "plus",
    changes: true,
    act: () => editLimit(null, refresh),
  });
  shell.head("Concurrency limits", { actions: [create] });
  shell.main.append(place);
  draw(first.data.limits.items);
  new Live(["limits"], (condition) => shell.tell(condition)).on("limits", refresh).begin();
}

/**
 * @param {Limit[]} limits
 * @param {() => void} refresh
 */
function listOf(limits, refresh) {
  return element(
    "ul",
    { class: "cards limits", "aria-label": "Concurrency limits" },
    ...limits.map((limit) => cardOf(limit, refresh)),
  );
}

/**
 * @param {Limit} limit
 * @param {() => void} refresh
 */
function cardOf(limit, refresh) {
  const { holders, name, slots, in_use: used, slot_decay_per_second: decay } = limit;
  const shown = Number.isInteger(used) ? String(used) : used.toFixed(1);
  const told = slots ? `${shown} of ${slots} in use` : "Closed: nothing passes";
  const change = button("Change", { sign: "edit", kind: "quiet", isBare: true, changes: true });
  set(change, "aria-label", `Change ${name}`);
  change.addEventListener("click", () => editLimit(limit, refresh));
  const remove = button("Delete", { sign: "trash", kind: "quiet", isBare: true, changes: true });
  set(remove, "aria-label", `Delete ${name}`);
  remove.addEventListener("click", () => removeLimit(limit, refresh));
  return element(
    "li",
    { class: "card limit", "data-id": name },
    element(
      "div",
      { class: "card-main" },
      element("div", { class: "card-name" }, element("strong", {}, oneLine(name, 80))),
      element(
        "div",
        { class: "card-about quiet" },
        decay ? `${decay} slots come free in a second` : "Slots come free when their work ends",
      ),
    ),
    element("div", { class: "load" }, element("span", {}, told), meter(used, slots, told)),
    element("div", { class: "row" }, change, remove),
    holders.length > 0 && holdersOf(holders),
  );
}

/** @param {Holder[]} holders */
function holdersOf(holders) {
  return element(
    "ul",
    { class: "holders", "aria-label": "Who holds slots" },
    ...holders
      .slice(0, 50)
      .map(({ name, run, slots, since }) =>
        element(
          "li",
          {},
          run
            ? element("a", { href: toOne("runs", run) }, oneLine(name, 80))
            : element("span", {}, oneLine(name, 80)),
          element("span", { class: "quiet" }, slots === 1 ? "1 slot" : `${slots} slots`),
          when(since, "since "),
        ),
      ),
  );
}

/**
 * Create a limit, or change one.
 * @param {Limit | null} limit
 * @param {() => void} refresh
 */
function editLimit(limit, refresh) {
  const name = plainField("Name", "text", "a tag of tasks, or what concurrency() is given");
  const slots = plainField(
    "Slots",
    "number",
    "how many at once; 0 stops all",
    String(limit?.slots ?? 1),
  );
  const decay = plainField(
    "Free again per second",
    "number",
    "for rates; 0 if slots come free when work ends",
    String(limit?.slot_decay_per_second ?? 0),
  );
  set(decay.input, "step", "any");
  openDialog({
    title: limit ? `Change ${oneLine(limit.name, 60)}` : "New concurrency limit",
    label: limit ? "Save" : "Create",
    content: [limit === null && name.element, slots.element, decay.element],
    act: async () => {
      const body = {
        slots: Number(slots.input.value),
        slot_decay_per_second: Number(decay.input.value),
      };
      if (limit) await tell("PUT", `concurrency-limits/${part(limit.name)}`, body);
      else await tell("POST", "concurrency-limits", { name: name.input.value.trim(), ...body });
      refresh();
    },
  });
}

/**
 * @param {Limit} limit
 * @param {() => void} refresh
 */
function removeLimit({ name, holders }, refresh) {
  openDialog({
    title: `Delete ${oneLine(name, 60)}?`,
    content: [
      element(
        "p",
        {},
        holders.length
          ? "Work that holds its slots goes on, and what waits for one begins at once."
          : "Nothing waits for it any more then.",
      ),
    ],
    label: "Delete",
    isDanger: true,
    act: async () => {
      await tell("DELETE", `concurrency-limits/${part(name)}`);
      notify(`${oneLine(name, 60)} is deleted.`);
      refresh();
    },
  });
}

function nothing() {
  return empty({
    sign: "limits",
    title: "No concurrency limits yet",
    text: "A limit lets so many tasks with a tag, or blocks with its name, go on at once.",
    commands: ["nborch concurrency-limit create database 4"],
  });
}
