// The page of one deployment.

import { element, set } from "../elements.js";
import { oneLine, shortened } from "../words.js";
import { ask, part, tell } from "./api.js";
import { backfill } from "./backfill.js";
import { acts, notify, openDialog } from "./dialogs.js";
import { purposeOf } from "./docs.js";
import { later } from "./later.js";
import { redraw } from "./lists.js";
import { Live } from "./live.js";
import { outcomeBars } from "./outcomes.js";
import { button, command, facts, section, tagList } from "./pieces.js";
import { first, now, to, toOne } from "./place.js";
import { valueTable } from "./run_facts.js";
import { RunRow } from "./run_row.js";
import { runNow } from "./run_now.js";
import { dayOf, exact, timeOfDay, weekday, when } from "./times.js";

/**
 * @typedef {import("./run_now.js").Deployment} Deployment
 * @typedef {import("./run_now.js").Schedule} Schedule
 * @typedef {{nominal: number, last: number, count: number, kind: string, told: string,
 *   run: import("./run_row.js").RunSummary | null}} Outcome
 */

const SOON = 800;

/** @param {import("./shell.js").Shell} shell */
export function showDeployment(shell) {
  new DeploymentPage(shell, first.data.deployment, first.data.outcomes.items).begin();
}

class DeploymentPage {
  /**
   * @param {import("./shell.js").Shell} shell
   * @param {Deployment} deployment
   * @param {Outcome[]} outcomes
   */
  constructor(shell, deployment, outcomes) {
    this.shell = shell;
    this.deployment = deployment;
    this.outcomes = outcomes;
    this.place = element("div", { class: "columns" });
    this.state = element("span");
    this.actions = element("div", { class: "row" });
    this.about = element("div");
  }

  get #path() {
    return `deployments/${part(this.deployment.id)}`;
  }

  begin() {
    const { deployment, shell } = this;
    shell.head(oneLine(deployment.name, 120), {
      back: ["Deployments", to("deployments")],
      trail: this.state,
      actions: [this.actions],
      under: this.about,
    });
    shell.main.append(this.place);
    this.#draw();
    shell.keys.add("r", "Run now", () => runNow(this.deployment));
    const refresh = later(SOON, () => this.#refresh());
    new Live(["deployments", "runs"], (condition) => shell.tell(condition))
      .on("deployments", refresh)
      .on("runs", ({ items, again }) => {
        const isOurs = (/** @type {any} */ run) => run.deployment?.id === this.deployment.id;
        if (again || items.some(isOurs)) refresh();
      })
      .begin();
  }

  async #refresh() {
    const [deployment, outcomes] = await Promise.all([
      ask(this.#path),
      ask(`${this.#path}/outcomes`, { limit: 50 }),
    ]);
    this.outcomes = outcomes.items;
    this.#take(deployment);
  }

  /** @param {Deployment} deployment */
  #take(deployment) {
    this.deployment = deployment;
    this.#draw();
  }

  #draw() {
    const { deployment } = this;
    const { parameters, paused } = deployment;
    this.state.replaceChildren(
      ...(paused ? [element("span", { class: "tag strong" }, "Paused")] : []),
    );
    redraw(this.actions, ...this.#buttons());
    this.#drawAbout();
    redraw(
      this.place,
      element(
        "div",
        {},
        section("Last runs", [this.#runs()], {
          aside: element(
            "a",
            { class: "quiet-link", href: to("", { deployment: deployment.full_name }) },
            "All runs",
          ),
        }),
        this.#notable(),
      ),
      element(
        "div",
        {},
        section("Schedules", [this.#schedules()]),
        section("Parameters", [
          Object.keys(parameters).length
            ? valueTable(parameters, "Parameters")
            : element("p", { class: "quiet" }, "Those that its flow has by default."),
        ]),
      ),
    );
  }

  #drawAbout() {
    const { description, entrypoint, flow, tags, version, work_pool: pool } = this.deployment;
    const purpose = purposeOf(description);
    this.about.replaceChildren(
      ...(purpose ? [element("p", { class: "description" }, shortened(purpose, 1_000))] : []),
      facts([
        ["Flow", element("a", { href: to("", { flow }) }, oneLine(flow, 80))],
        ["Work pool", pool && element("a", { href: toOne("work-pools", pool) }, oneLine(pool, 80))],
        ["Code", entrypoint && element("code", {}, oneLine(entrypoint, 120))],
        ["Version", version && oneLine(version, 60)],
        ["At once", String(this.deployment.concurrency_limit ?? "")],
        ["Tags", tags.length ? tagList(tags, (tag) => to("", { tag })) : null],
      ]),
    );
  }

  #buttons() {
    const { deployment } = this;
    const { paused } = deployment;
    const turn = button(paused ? "Resume" : "Pause", {
      sign: paused ? "play" : "pause",
      changes: true,
    });
    set(turn, "title", paused ? "Let its schedules go on" : "Let its schedules rest");
    acts(turn, async () => {
      this.#take(await tell("POST", `${this.#path}/${paused ? "resume" : "pause"}`));
    });
    const hasSchedules = deployment.schedules.length > 0;
    return [
      button("Run", {
        sign: "play",
        kind: "main",
        changes: true,
        act: () => runNow(this.deployment),
      }),
      ...(hasSchedules || paused ? [turn] : []),
      ...(hasSchedules
        ? [
            button("Backfill", {
              sign: "history",
              changes: true,
              act: () => backfill(this.deployment),
            }),
          ]
        : []),
      button("Delete", {
        sign: "trash",
        kind: "quiet",
        isBare: true,
        changes: true,
        act: () => this.#remove(),
      }),
    ];
  }

  #remove() {
    openDialog({
      title: `Delete ${oneLine(this.deployment.full_name, 80)}?`,
      content: [
        element(
          "p",
          {},
          "Its schedules end, and its runs that wait are cancelled. Earlier runs stay.",
        ),
      ],
      label: "Delete",
      isDanger: true,
      act: async () => {
        await tell("DELETE", this.#path);
        location.assign(to("deployments"));
      },
    });
  }

  #runs() {
    const { last } = this.deployment;
    if (!last.length) {
      return element(
        "div",
        {},
        element("p", { class: "quiet" }, "It has not run yet."),
        command(`nborch deployment run '${this.deployment.full_name}'`),
      );
    }
    const rows = last.slice(0, 12).map((run) => {
      const row = new RunRow();
      row.update(run);
      return row.element;
    });
    return element(
      "div",
      {},
      outcomeBars(last),
      element("ul", { class: "run-list still", "aria-label": "Last runs" }, ...rows),
    );
  }

  #schedules() {
    const { paused, schedules } = this.deployment;
    if (!schedules.length) {
      return element("p", { class: "quiet" }, "None: it runs when somebody asks.");
    }
    return element(
      "ul",
      { class: "schedules" },
      ...schedules.map((schedule) => this.#schedule(schedule, paused)),
    );
  }

  /**
   * @param {Schedule} schedule
   * @param {boolean} isPaused
   */
  #schedule({ id, words, active, paused_because: why, next }, isPaused) {
    const turn = button(active ? "Pause" : "Resume", {
      sign: active ? "pause" : "play",
      kind: "quiet",
      isBare: true,
      changes: true,
    });
    set(turn, "aria-label", `${active ? "Pause" : "Resume"} the schedule: ${oneLine(words, 120)}`);
    acts(turn, async () => {
      const op = active ? "pause" : "resume";
      this.#take(await tell("POST", `${this.#path}/schedules/${part(id)}/${op}`));
      notify(active ? "The schedule rests." : "The schedule goes on.");
    });
    const isOn = active && !isPaused;
    const times = next.filter((at) => at > now() - 60).slice(0, 10);
    return element(
      "li",
      { "data-paused": !isOn },
      element("div", { class: "schedule-head" }, element("strong", {}, oneLine(words, 200)), turn),
      why ? element("p", { class: "quiet" }, oneLine(why, 300)) : null,
      isOn
        ? element("ol", { class: "next-times" }, ...times.map(nextTime))
        : element("p", { class: "quiet" }, "It rests."),
    );
  }

  /** What came of times at which nothing ran, and why. */
  #notable() {
    const notable = this.outcomes.filter(({ run }) => run === null);
    if (!notable.length) return "";
    const rows = notable
      .slice(0, 10)
      .map(({ nominal, told }) =>
        element("li", {}, element("span", {}, oneLine(told, 300)), when(nominal)),
      );
    return section("Times without a run", [element("ul", { class: "lines" }, ...rows)]);
  }
}

/** @param {number} at */
function nextTime(at) {
  return element(
    "li",
    { title: exact(at) },
    element("span", {}, `${weekday(at)} ${dayOf(at)}`),
    element("span", {}, timeOfDay(at)),
  );
}
