// The page of all runs.

import { element, set } from "../elements.js";
import { ask, wasTakenBack } from "./api.js";
import { Chips } from "./chips.js";
import { messageOf, notify } from "./dialogs.js";
import { FilterBar, Filters } from "./filters.js";
import { HistoryStrip } from "./history.js";
import { Live } from "./live.js";
import { button, empty } from "./pieces.js";
import { first, now } from "./place.js";
import { RunList } from "./run_list.js";

/** Counts and the strip are asked for again at most so often. */
const COUNTS = 1_000;
const STRIP = 5_000;

/** What the strip shows when no time is asked for. */
const WEEK = 7 * 86_400;

const BINS = 84;

/** @param {import("./shell.js").Shell} shell */
export function showRuns(shell) {
  const page = new RunsPage(shell);
  page.begin();
}

class RunsPage {
  /** @param {import("./shell.js").Shell} shell */
  constructor(shell) {
    this.shell = shell;
    this.filters = new Filters();
    this.strip = new HistoryStrip((since, until) => {
      this.filters.change({ span: null, since: String(since), until: String(until) });
      this.bar.update();
      this.#reload();
    });
    this.chips = new Chips((states) => {
      this.filters.change({ state: states });
      this.#reload();
    });
    this.bar = new FilterBar(this.filters, () => this.#reload());
    this.list = new RunList({
      label: "Runs",
      fits: (run) => this.filters.fits(run),
      more: (cursor) => ask("runs", { ...this.filters.query, limit: 200, cursor }),
      changed: () => this.#sayEmpty(),
    });
    this.none = element("div", { class: "none", hidden: true });
  }

  #countsTimer = 0;
  #stripTimer = 0;
  /** @type {Record<string, number>} */
  #counts = {};
  /** @type {AbortController | null} */
  #question = null;

  begin() {
    const { shell, filters } = this;
    shell.head("Runs");
    shell.main.classList.add("wide");
    shell.main.append(
      this.strip.element,
      this.bar.element,
      this.chips.element,
      this.bar.tokens,
      this.list.element,
      this.none,
    );
    const { data } = first;
    this.#counts = data.counts;
    this.chips.show(data.counts, filters.states);
    this.strip.show(data.history.bins);
    this.list.show(data.runs);
    this.#addKeys();
    new Live(["runs"], (condition) => shell.tell(condition))
      .on("runs", ({ items, again }) => {
        if (again) this.#reload();
        this.list.take(items);
        this.#countSoon();
      })
      .begin();
  }

  #addKeys() {
    const { keys } = this.shell;
    keys.add("/", "Search", () => {
      this.bar.search.focus();
      this.bar.search.select();
    });
    keys.add("j", "Next run", () => this.list.move(1));
    keys.add("k", "Previous run", () => this.list.move(-1));
    keys.add("Enter", "Open the run", () => false);
    keys.add("Escape", "Take all filters away", () => this.#clear());
  }

  #clear() {
    const { activeElement } = document;
    if (activeElement === this.bar.search) this.bar.search.blur();
    if (!this.filters.isAny) return false;
    this.filters.clear();
    this.bar.search.value = "";
    this.bar.update();
    this.#reload();
    return true;
  }

  /** Ask for all of it again, as it is filtered now. */
  async #reload() {
    this.#question?.abort();
    const { signal } = (this.#question = new AbortController());
    this.chips.show(this.#counts, this.filters.states);
    set(this.list.element, "aria-busy", "true");
    try {
      const [runs] = await Promise.all([
        ask("runs", { ...this.filters.query, limit: 100 }, signal),
        this.#count(signal),
        this.#draw(signal),
      ]);
      this.list.show(runs);
    } catch (error) {
      if (!wasTakenBack(error)) notify(messageOf(error), { isWrong: true });
    } finally {
      set(this.list.element, "aria-busy", null);
    }
  }

  /** @param {AbortSignal} [signal] */
  async #count(signal) {
    const { state: _, ...query } = this.filters.query;
    this.#counts = await ask("runs/counts", query, signal);
    this.chips.show(this.#counts, this.filters.states);
  }

  /** @param {AbortSignal} [signal] */
  async #draw(signal) {
    const { query } = this.filters;
    const until = query.until || now().toFixed(3);
    const since = query.since || (Number(until) - WEEK).toFixed(3);
    const { bins } = await ask("runs/history", { ...query, since, until, bins: BINS }, signal);
    this.strip.show(bins);
  }

  #countSoon() {
    const later = (/** @type {() => Promise<void>} */ act) => () => act().catch(() => {});
    if (!this.#countsTimer) {
      this.#countsTimer = window.setTimeout(() => {
        this.#countsTimer = 0;
        later(() => this.#count())();
      }, COUNTS);
    }
    if (!this.#stripTimer) {
      this.#stripTimer = window.setTimeout(() => {
        this.#stripTimer = 0;
        later(() => this.#draw())();
      }, STRIP);
    }
  }

  #sayEmpty() {
    const isEmpty = this.list.runs.length === 0;
    set(this.none, "hidden", !isEmpty);
    if (!isEmpty) return;
    this.none.replaceChildren(
      this.filters.isAny
        ? empty({
            sign: "search",
            title: "No run is like that",
            text: "Try other words, another time or other states.",
            actions: [button("Take all filters away", { act: () => this.#clear() })],
          })
        : empty({
            sign: "runs",
            title: "No runs yet",
            text: "Runs of notebooks and flows appear here by themselves as soon as they begin.",
            commands: ["nborch run notebook.ipynb", "python my_flow.py"],
          }),
    );
  }
}
