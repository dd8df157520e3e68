// The page of settings: which are in force, and where each comes from.

import { element, set } from "../elements.js";
import { Live } from "./live.js";
import { empty } from "./pieces.js";
import { first } from "./place.js";
import { sign } from "./signs.js";

/** @typedef {{name: string, value: string | null, source: string}} Setting */

/** @param {import("./shell.js").Shell} shell */
export function showSettings(shell) {
  /** @type {Setting[]} */
  const items = first.data.settings.items;
  const rows = items.map(({ name, value, source }) =>
    element(
      "tr",
      { "data-default": source === "default" },
      element("th", { scope: "row" }, element("code", {}, name)),
      element(
        "td",
        {},
        value === null
          ? element("span", { class: "quiet" }, "not set")
          : element("code", { class: "value" }, value),
      ),
      element("td", { class: "quiet" }, source),
    ),
  );
  const search = element("input", {
    type: "search",
    class: "field search",
    placeholder: "Search settings",
    "aria-label": "Search settings",
    spellcheck: "false",
    autocomplete: "off",
    input: () => {
      const q = search.value.trim().toLowerCase();
      rows.forEach((row) => set(row, "hidden", !row.textContent?.toLowerCase().includes(q)));
    },
  });
  const table = element(
    "table",
    { class: "table settings" },
    element("caption", { class: "unseen" }, "Settings"),
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("th", { scope: "col" }, "Name"),
        element("th", { scope: "col" }, "Value"),
        element("th", { scope: "col" }, "From"),
      ),
    ),
    element("tbody", {}, ...rows),
  );
  shell.head("Settings", {
    trail: element("span", { class: "quiet" }, `nborch ${first.version}`),
  });
  shell.main.append(
    element(
      "div",
      { class: "filters" },
      element("label", { class: "search-box" }, sign("search"), search),
    ),
    items.length ? table : empty({ sign: "settings", title: "No settings", text: "" }),
  );
  shell.keys.add("/", "Search", () => search.focus());
  // Nothing here changes by itself; the stream tells whether the server is there.
  new Live(["limits"], (condition) => shell.tell(condition)).begin();
}
