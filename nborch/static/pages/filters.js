// Filters: which runs are shown; they stand in the address of the page.

import { element, set } from "../elements.js";
import { oneLine } from "../words.js";
import { ask } from "./api.js";
import { nameFor } from "./dialogs.js";
import { button } from "./pieces.js";
import { asked, now, rewrite } from "./place.js";
import { sign } from "./signs.js";
import { dayOf, timeOfDay } from "./times.js";

/**
 * @typedef {import("./run_row.js").RunSummary} RunSummary
 */

/** What the server calls spans of time back from now, in seconds. */
export const SPANS = Object.freeze({
  "1h": 3_600,
  "24h": 86_400,
  "7d": 7 * 86_400,
  "30d": 30 * 86_400,
});

/** @type {[name: string, label: string][]} */
const SPAN_LABELS = [
  ["1h", "Hour"],
  ["24h", "Day"],
  ["7d", "Week"],
  ["30d", "Month"],
  ["", "All"],
];

/** @type {[name: string, label: string][]} */
const FIELDS = [
  ["flow", "Flow"],
  ["deployment", "Deployment"],
  ["work_pool", "Work pool"],
  ["tag", "Tag"],
];

/** What is asked for in the address, as a value of its own. */
export class Filters {
  constructor() {
    this.words = asked();
    this.words.delete("theme");
  }

  /** @param {string} name */
  get(name) {
    return this.words.get(name) ?? "";
  }

  get states() {
    return this.words.getAll("state");
  }

  get isAny() {
    return [...this.words.keys()].length > 0;
  }

  /** @param {Record<string, string | string[] | number | null>} changes */
  change(changes) {
    for (const [name, value] of Object.entries(changes)) {
      this.words.delete(name);
      for (const each of Array.isArray(value) ? value : [value]) {
        if (each !== null && each !== "") this.words.append(name, String(each));
      }
    }
    rewrite(this.words);
  }

  clear() {
    this.words = new URLSearchParams();
    rewrite(this.words);
  }

  /** What is asked of the server; spans of time end now. */
  get query() {
    const span = SPANS[/** @type {keyof typeof SPANS} */ (this.get("span"))];
    const since = this.get("since") || (span ? (now() - span).toFixed(3) : "");
    /** @type {Record<string, string | string[]>} */
    const query = { state: this.states, since, until: this.get("until"), q: this.get("q") };
    for (const [name] of FIELDS) query[name] = this.get(name);
    return query;
  }

  /**
   * Tell whether a run is among what is asked for, as the server would.
   * @param {RunSummary} run
   */
  fits(run) {
    const { states, query } = this;
    const q = this.get("q").toLowerCase();
    const found = run.name.toLowerCase().includes(q) || run.flow.toLowerCase().includes(q);
    const { deployment } = run;
    return (
      run.kind !== "task" &&
      (!states.length || states.includes(run.state.type)) &&
      (!query.flow || run.flow === query.flow) &&
      (!query.deployment || [deployment?.id, deployment?.name].includes(this.get("deployment"))) &&
      (!query.work_pool || run.work_pool === query.work_pool) &&
      (!query.tag || run.tags.includes(this.get("tag"))) &&
      (!query.since || run.created >= Number(query.since)) &&
      (!query.until || run.created < Number(query.until)) &&
      (!q || found || run.id.startsWith(q))
    );
  }
}

/** The line with the search, the span of time, and what else narrows the list. */
export class FilterBar {
  /**
   * @param {Filters} filters
   * @param {() => void} changed
   */
  constructor(filters, changed) {
    this.filters = filters;
    this.changed = changed;
    this.search = element("input", {
      type: "search",
      class: "field search",
      placeholder: "Search runs",
      "aria-label": "Search runs by name, flow or id",
      spellcheck: "false",
      autocomplete: "off",
      value: filters.get("q"),
      maxlength: 200,
      input: () => this.#typed(),
    });
    this.spans = element(
      "div",
      { class: "segments", role: "group", "aria-label": "Time" },
      ...SPAN_LABELS.map(([name, label]) =>
        element(
          "button",
          {
            type: "button",
            "data-span": name,
            click: () => this.#change({ span: name, since: null, until: null }),
          },
          label,
        ),
      ),
    );
    this.tokens = element("div", { class: "tokens", role: "group", "aria-label": "Filters" });
    this.panel = new FilterPanel(filters, (changes) => this.#change(changes));
    this.element = element(
      "div",
      { class: "filters" },
      element("label", { class: "search-box" }, sign("search"), this.search),
      this.panel.element,
      this.spans,
    );
    this.update();
  }

  #timer = 0;

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#change({ q: this.search.value.trim() }), 180);
  }

  /** @param {Record<string, string | null>} changes */
  #change(changes) {
    this.filters.change(changes);
    this.update();
    this.changed();
  }

  update() {
    const { filters } = this;
    const [since, until] = [filters.get("since"), filters.get("until")];
    const isCut = Boolean(since || until);
    for (const made of this.spans.children) {
      const isOn = !isCut && made.getAttribute("data-span") === filters.get("span");
      set(made, "aria-pressed", isOn ? "true" : "false");
    }
    const tokens = FIELDS.filter(([name]) => filters.get(name)).map(([name, label]) =>
      this.#token(`${label}: ${oneLine(filters.get(name), 60)}`, { [name]: null }),
    );
    if (isCut) {
      const told = [since, until].map((at) => (at ? momentOf(Number(at)) : "…")).join(" – ");
      tokens.push(this.#token(told, { since: null, until: null }));
    }
    this.tokens.replaceChildren(...tokens);
    set(this.tokens, "hidden", tokens.length === 0);
    if (document.activeElement !== this.search) this.search.value = filters.get("q");
  }

  /**
   * @param {string} label
   * @param {Record<string, null>} changes
   */
  #token(label, changes) {
    const act = () => this.#change(changes);
    return element(
      "button",
      { type: "button", class: "token", title: "Take this filter away", click: act },
      element("span", {}, label),
      sign("close"),
    );
  }
}

/** @param {number} at */
function momentOf(at) {
  return `${dayOf(at)} ${timeOfDay(at)}`;
}

/** A small window with the filters that are used less. */
class FilterPanel {
  /**
   * @param {Filters} filters
   * @param {(changes: Record<string, string | null>) => void} change
   */
  constructor(filters, change) {
    this.filters = filters;
    this.change = change;
    const id = nameFor("panel");
    this.button = button("Filter", { sign: "filter", act: () => this.#toggle() });
    set(this.button, "aria-expanded", "false");
    set(this.button, "aria-controls", id);
    this.fields = FIELDS.map(([name, label]) => this.#field(name, label));
    this.panel = element(
      "form",
      { class: "panel", id, hidden: true, "aria-label": "Filters" },
      ...this.fields.map(({ line }) => line),
      element("button", { type: "submit", class: "unseen" }, "Apply"),
    );
    this.panel.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#apply();
      this.#close();
    });
    this.panel.addEventListener("change", () => this.#apply());
    this.element = element("div", { class: "panel-place" }, this.button, this.panel);
    document.addEventListener("pointerdown", ({ target }) => {
      if (target instanceof Node && !this.element.contains(target)) this.#close();
    });
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || this.panel.hidden) return;
      event.preventDefault();
      this.#close();
      this.button.focus();
    });
  }

  #hasAsked = false;

  /**
   * @param {string} name
   * @param {string} label
   */
  #field(name, label) {
    const list = element("datalist", { id: nameFor("known") });
    const input = element("input", {
      class: "field",
      type: "text",
      name,
      list: list.id,
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 200,
    });
    const line = element("label", { class: "field-line" }, element("span", {}, label), input, list);
    return { name, line, input, list };
  }

  #toggle() {
    if (!this.panel.hidden) {
      this.#close();
      return;
    }
    for (const { name, input } of this.fields) input.value = this.filters.get(name);
    set(this.panel, "hidden", false);
    set(this.button, "aria-expanded", "true");
    this.fields[0].input.focus();
    if (!this.#hasAsked) this.#askNames();
  }

  #close() {
    set(this.panel, "hidden", true);
    set(this.button, "aria-expanded", "false");
  }

  #apply() {
    const entries = this.fields.map(({ name, input }) => [name, input.value.trim() || null]);
    this.change(Object.fromEntries(entries));
  }

  /** Offer the names of what there is. */
  async #askNames() {
    this.#hasAsked = true;
    const { items } = await ask("deployments", { limit: 200 }).catch(() => ({ items: [] }));
    /** @type {Record<string, (deployment: any) => string[]>} */
    const names = {
      flow: ({ flow }) => [flow],
      deployment: ({ full_name }) => [full_name],
      work_pool: ({ work_pool }) => [work_pool],
      tag: ({ tags }) => tags,
    };
    for (const { name, list } of this.fields) {
      const known = new Set(items.flatMap(names[name]).filter(Boolean));
      list.replaceChildren(...[...known].sort().map((value) => element("option", { value })));
    }
  }
}
