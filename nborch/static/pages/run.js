// The page of one run.

import { element, say, set } from "../elements.js";
import { isOver, lookOf } from "../states.js";
import { counted, duration, numeral, oneLine } from "../words.js";
import { ask, part, tell } from "./api.js";
import { acts, notify, openDialog } from "./dialogs.js";
import { Live } from "./live.js";
import { button, facts, pill, setPill, tagList } from "./pieces.js";
import { first, to, toOne } from "./place.js";
import { artifactsOf, errorOf, parametersOf, RunStates } from "./run_facts.js";
import { RunGraph } from "./run_graph.js";
import { RunLog } from "./run_log.js";
import { noNotebook, RunNotebook } from "./run_notebook.js";
import { setTaskBar, taskBar } from "./run_row.js";
import { Tabs } from "./tabs.js";
import { lasting, setLasting, when } from "./times.js";

/**
 * @typedef {import("../protocol.js").Message} Message
 * @typedef {import("./run_row.js").RunSummary} RunSummary
 * @typedef {RunSummary & {
 *   parameters: Record<string, any>, result: string | null,
 *   error: {type: string, message: string, traceback: string | null} | null,
 *   can: string[], entrypoint: string | null, output: string | null,
 *   artifacts: {name: string, kind: string, preview: string | null, size: number | null}[],
 *   cache: {hits: number, seconds_saved: number}}} RunDetail
 */

/** So long after a change the run is asked for again, with what else has changed. */
const SOON = 150;

/** @param {import("./shell.js").Shell} shell */
export function showRun(shell) {
  new RunPage(shell, first.data.run).begin();
}

class RunPage {
  /**
   * @param {import("./shell.js").Shell} shell
   * @param {RunDetail} run
   */
  constructor(shell, run) {
    this.shell = shell;
    this.run = run;
    this.live = new Live([`run:${run.id}`], (condition) => shell.tell(condition));
    this.graph = new RunGraph(run.id, () => this.live.want(`log:${run.id}`));
    this.log = new RunLog(run.id, run.name);
    this.states = new RunStates(run.id);
    this.notebook = new RunNotebook(run.id);
    this.pill = pill(run.state);
    set(this.pill, "role", "status");
    this.facts = element("div", { class: "run-facts" });
    this.took = lasting(null);
    this.bar = taskBar();
    this.counts = element("span", { class: "quiet" });
    this.error = element("div");
    this.actions = element("div", { class: "row" });
    this.parameters = element("div");
    this.artifacts = element("div");
    this.tabs = new Tabs(this.#tabs(), this.#start());
  }

  #timer = 0;
  #asked = "";
  /** The states of all runs within, as the graph tells them. @type {Map<string, string>} */
  #types = new Map();

  /** @returns {import("./tabs.js").Tab[]} */
  #tabs() {
    const { graph, live, run } = this;
    return [
      { name: "graph", label: "Graph", show: () => graph.show("graph") },
      { name: "timeline", label: "Timeline", show: () => graph.show("timeline") },
      { name: "table", label: "Table", show: () => graph.show("table") },
      {
        name: "logs",
        label: "Logs",
        show: () => {
          live.want(`log:${run.id}`);
          return this.log.show();
        },
      },
      {
        name: "notebook",
        label: "Notebook",
        show: () => {
          if (!this.#hasNotebook) return noNotebook();
          live.want(`cells:${run.id}`);
          return this.notebook.show();
        },
      },
      { name: "parameters", label: "Parameters", show: () => this.parameters },
      {
        name: "states",
        label: "States",
        show: () => this.states.show(),
        hide: () => this.states.hide(),
      },
      { name: "artifacts", label: "Artifacts", show: () => this.artifacts },
    ];
  }

  get #hasNotebook() {
    return Boolean(this.run.notebook || this.run.output);
  }

  /** What says most: the tasks, or else what was written. */
  #start() {
    if (this.run.tasks && Object.keys(this.run.tasks).length) return "graph";
    if (!isOver(this.run.state.type)) return "graph";
    return this.#hasNotebook ? "notebook" : "logs";
  }

  begin() {
    const { run, shell, tabs } = this;
    shell.main.classList.add("wide");
    const up = run.parent ? toOne("runs", run.parent) : to("");
    shell.head(oneLine(run.name, 120), {
      back: [run.parent ? "The run around" : "Runs", up],
      trail: this.pill,
      actions: [this.actions],
      under: this.facts,
    });
    shell.main.append(this.error, tabs.nav, tabs.place);
    this.#draw();
    this.#listen();
    tabs.addKeys(shell.keys);
    tabs.turn();
    this.live.begin();
  }

  #listen() {
    const { live, run } = this;
    live.on("graph", (message) => this.#takeGraph(message));
    live.on("log", ({ run: of, lines }) => {
      if (of !== run.id) return;
      this.log.take(lines);
      this.graph.noteWritten(lines.map((/** @type {{run: string}} */ line) => line.run));
    });
    live.on("cells", (told) => this.notebook.take(told));
  }

  /** @param {Message} message */
  #takeGraph(message) {
    this.graph.take(message);
    if (message.type !== "snapshot" && message.type !== "delta") return;
    if (message.type === "snapshot") this.#types.clear();
    for (const { id, state } of message.nodes ?? []) this.#types.set(id, state.type);
    for (const id of message.type === "delta" ? (message.gone ?? []) : []) this.#types.delete(id);
    this.#drawCounts();
    const told = message.run;
    if (!told) return;
    this.run.state = told.state;
    this.run.started = told.started ?? this.run.started;
    this.run.ended = told.ended ?? null;
    setPill(this.pill, told.state);
    setLasting(this.took, this.run.started, this.run.ended);
    // The rest is asked for when there is something new to know.
    const asked = `${told.state.type}|${told.state.name}`;
    if (this.#asked === asked) return;
    this.#asked = asked;
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#refresh(), SOON);
  }

  async #refresh() {
    const run = await ask(`runs/${part(this.run.id)}`).catch(() => null);
    if (!run) return;
    this.run = run;
    this.#draw();
    this.states.refresh();
  }

  #draw() {
    const { run } = this;
    setPill(this.pill, run.state);
    setLasting(this.took, run.started, run.ended);
    this.#drawFacts();
    this.#drawCounts();
    this.#drawActions();
    this.error.replaceChildren(...(run.error ? [errorOf(run.error)] : []));
    this.parameters.replaceChildren(parametersOf(run.parameters));
    this.artifacts.replaceChildren(artifactsOf(run.artifacts, run.result));
    const { length } = run.artifacts;
    this.tabs.mark(
      "artifacts",
      length ? element("span", { class: "tab-mark" }, numeral(length)) : null,
    );
  }

  #drawFacts() {
    const { run } = this;
    const { deployment } = run;
    const isDue = run.started === null && run.due !== null && !isOver(run.state.type);
    const link = (/** @type {string} */ text, /** @type {string} */ href) =>
      element("a", { href }, oneLine(text, 80));
    const saved = run.cache.hits
      ? `${counted(run.cache.hits, "result")} reused, ${duration(run.cache.seconds_saved)} saved`
      : "";
    this.facts.replaceChildren(
      facts([
        [run.kind === "task" ? "Task" : "Flow", link(run.flow, to("", { flow: run.flow }))],
        ["Deployment", deployment && link(deployment.name, toOne("deployments", deployment.id))],
        ["Work pool", run.work_pool && link(run.work_pool, toOne("work-pools", run.work_pool))],
        [
          isDue ? "Due" : run.started ? "Started" : "Made",
          when(isDue ? run.due : (run.started ?? run.created)),
        ],
        ["Duration", run.started ? this.took : null],
        ["Attempt", run.attempt > 1 ? String(run.attempt) : null],
        ["Cache", saved],
        ["Tags", run.tags.length ? tagList(run.tags, (tag) => to("", { tag })) : null],
        [
          "Code",
          run.entrypoint && element("code", { title: run.entrypoint }, shortPath(run.entrypoint)),
        ],
      ]),
      element("div", { class: "run-progress" }, this.bar, this.counts),
    );
  }

  #drawCounts() {
    /** @type {Record<string, number>} */
    let tasks = this.run.tasks ?? {};
    if (this.#types.size) {
      tasks = {};
      for (const type of this.#types.values()) tasks[type] = (tasks[type] ?? 0) + 1;
    }
    setTaskBar(this.bar, tasks);
    const all = Object.entries(tasks);
    const total = all.reduce((sum, [, count]) => sum + count, 0);
    const over = all.reduce((sum, [type, count]) => sum + (isOver(type) ? count : 0), 0);
    const bad = (tasks.FAILED ?? 0) + (tasks.CRASHED ?? 0);
    const parts =
      total === over ? [counted(total, "task")] : [`${numeral(over)} of ${counted(total, "task")}`];
    if (tasks.RUNNING) parts.push(`${numeral(tasks.RUNNING)} running`);
    if (bad) parts.push(`${numeral(bad)} ${lookOf("FAILED").label.toLowerCase()}`);
    say(this.counts, total ? parts.join(" · ") : "");
  }

  #drawActions() {
    const { can, id } = this.run;
    const act = (/** @type {string} */ op) => tell("POST", `runs/${part(id)}/${op}`);
    const made = [];
    if (can.includes("resume")) {
      made.push(
        acts(button("Resume", { sign: "play", changes: true }), async () =>
          this.#say(await act("resume")),
        ),
      );
    }
    if (can.includes("retry")) {
      made.push(
        acts(button("Retry", { sign: "retry", changes: true }), async () =>
          this.#say(await act("retry")),
        ),
      );
    }
    if (can.includes("cancel")) {
      const open = () =>
        openDialog({
          title: "Cancel this run?",
          content: [
            element("p", {}, "Tasks that run are interrupted; those that wait never begin."),
          ],
          label: "Cancel the run",
          keep: "Let it go on",
          isDanger: true,
          act: async () => this.#say(await act("cancel")),
        });
      made.push(button("Cancel", { sign: "stop", changes: true, act: open }));
    }
    this.actions.replaceChildren(...made);
  }

  /** @param {{told: string, run: RunSummary | null}} answer */
  #say({ told, run }) {
    const isOther = run !== null && run.id !== this.run.id;
    notify(told, isOther ? { link: [oneLine(run.name, 60), toOne("runs", run.id)] } : {});
    this.#refresh();
  }
}

/** @param {string} path */
function shortPath(path) {
  const parts = path.split("/");
  return oneLine(parts.length > 2 ? `…/${parts.slice(-2).join("/")}` : path, 80);
}
