// Workers: which of them are there, and what they have to do.

import { element } from "../elements.js";
import { oneLine } from "../words.js";
import { command, meter } from "./pieces.js";
import { when } from "./times.js";

/**
 * @typedef {object} Worker
 * @property {string} id
 * @property {string} name
 * @property {string[]} works_for
 * @property {"online" | "left" | "lost"} status
 * @property {number} running
 * @property {number | null} limit
 * @property {string} host
 * @property {number} pid
 * @property {number} started
 * @property {number} seen
 */

const LABELS = { online: "Online", left: "Left", lost: "Lost" };

/**
 * @param {Worker[]} workers
 * @param {string} [pool] the one that they are asked for
 */
export function workerList(workers, pool = "POOL") {
  if (!workers.length) {
    return element(
      "div",
      {},
      element("p", { class: "quiet" }, "No worker is online. Start one:"),
      command(`nborch worker start --pool ${pool}`),
    );
  }
  return element(
    "ul",
    { class: "lines workers", "aria-label": "Workers" },
    ...workers.map((worker) => {
      const { limit, name, running, status } = worker;
      const told = limit === null ? `${running} running` : `${running} of ${limit} running`;
      return element(
        "li",
        {},
        element(
          "div",
          { class: "line-main" },
          element(
            "span",
            { class: "alive", "data-alive": status === "online", "data-lost": status === "lost" },
            LABELS[status],
          ),
          element("strong", {}, oneLine(name, 80)),
          element("span", { class: "quiet" }, `${oneLine(worker.host, 60)} · pid ${worker.pid}`),
        ),
        element("span", { class: "quiet" }, oneLine(worker.works_for.join(", "), 120)),
        element(
          "span",
          { class: "load" },
          element("span", {}, told),
          limit ? meter(running, limit, told) : null,
        ),
        status === "online" ? when(worker.started, "since ") : when(worker.seen, "seen "),
      );
    }),
  );
}
