// A list of runs without an end, of which only what is in sight is in the page.

import { element, say, set } from "../elements.js";
import { counted } from "../words.js";
import { RunRow } from "./run_row.js";

/**
 * @typedef {import("./run_row.js").RunSummary} RunSummary
 * @typedef {{items: RunSummary[], next: string | null}} RunPage
 */

const NARROW = window.matchMedia("(width < 600px)");

/** Rows that are drawn beyond what is in sight, each way. */
const BEYOND = 8;

/** With so many rows left below what is in sight, more are asked for. */
const AHEAD = 250;
const LATER = 400;

export class RunList {
  /**
   * @param {object} told
   * @param {(cursor: string) => Promise<RunPage>} told.more
   * @param {(run: RunSummary) => boolean} told.fits whether it belongs into the list
   * @param {() => void} told.changed called when runs have come or gone
   * @param {string} told.label
   */
  constructor(told) {
    this.told = told;
    this.list = element("ul", { class: "run-list", "aria-label": told.label });
    this.fresh = element("button", {
      type: "button",
      class: "fresh",
      hidden: true,
      click: () => this.#takeFresh(),
    });
    this.end = element("p", { class: "list-end", hidden: true });
    this.element = element("div", { class: "run-window" }, this.fresh, this.list, this.end);
    /** @type {RunSummary[]} */
    this.runs = [];
    /** @type {Map<string, RunRow>} */
    this.rows = new Map();
    /** @type {string | null} */
    this.next = null;
    window.addEventListener("scroll", () => this.#drawSoon(), { passive: true });
    window.addEventListener("resize", () => {
      this.#height = 0;
      this.#drawSoon();
    });
  }

  /** @type {Set<string>} */
  #ids = new Set();
  /** @type {Map<string, RunSummary>} */
  #waiting = new Map();
  #frame = 0;
  #isAsking = false;
  #isDrawn = false;
  #generation = 0;

  #height = 0;
  /** Rows that have left the sight: to make one takes longer than to fill one anew. */
  #spare = /** @type {RunRow[]} */ ([]);

  /** How high a row is, as pages.css says: narrow windows have rows of two lines. */
  get height() {
    this.#height ||= NARROW.matches ? 58 : 44;
    return this.#height;
  }

  /**
   * Show other runs.
   * @param {RunPage} page
   */
  show(page) {
    this.#generation += 1;
    this.runs = page.items;
    this.next = page.next;
    this.#ids = new Set(page.items.map(({ id }) => id));
    this.#waiting.clear();
    this.#isAsking = false;
    this.#sayFresh();
    this.draw();
    this.told.changed();
  }

  /**
   * Take runs that have changed: those in the list as they are now, others in their place.
   * @param {RunSummary[]} runs
   */
  take(runs) {
    const isAtTop = this.list.getBoundingClientRect().top > -2 * this.height;
    let isChanged = false;
    for (const run of runs) {
      const fits = this.told.fits(run);
      if (this.#ids.has(run.id)) {
        const place = this.runs.findIndex(({ id }) => id === run.id);
        if (fits) this.runs[place] = run;
        else {
          this.runs.splice(place, 1);
          this.#ids.delete(run.id);
        }
        isChanged = true;
      } else if (fits && (isAtTop || this.#waiting.has(run.id))) {
        this.#waiting.set(run.id, run);
      } else if (fits && this.#isNew(run)) this.#waiting.set(run.id, run);
      else this.#waiting.delete(run.id);
    }
    if (isAtTop && this.#waiting.size) this.#takeFresh();
    else if (isChanged) this.draw();
    this.#sayFresh();
    if (isChanged) this.told.changed();
  }

  /** @param {RunSummary} run */
  #isNew(run) {
    return this.runs.length === 0 || run.created >= this.runs[0].created;
  }

  #takeFresh() {
    for (const run of this.#waiting.values()) {
      if (this.#ids.has(run.id)) continue;
      let place = this.runs.findIndex(({ created }) => created < run.created);
      // What is older than all that is known comes with the next page.
      if (place < 0 && this.next !== null) continue;
      if (place < 0) place = this.runs.length;
      this.runs.splice(place, 0, run);
      this.#ids.add(run.id);
    }
    const wasHidden = this.fresh.hidden;
    this.#waiting.clear();
    this.#sayFresh();
    if (!wasHidden) window.scrollTo({ top: 0 });
    this.draw();
    this.told.changed();
  }

  #sayFresh() {
    set(this.fresh, "hidden", this.#waiting.size === 0);
    say(this.fresh, `↑ ${counted(this.#waiting.size, "new run")}`);
  }

  #drawSoon() {
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.draw();
    });
  }

  /** Draw the rows in sight; those that were there stay as they are. */
  draw() {
    const { height, runs } = this;
    // NB. At first nothing is laid out yet: to ask where anything is would take time.
    const isFirst = !this.#isDrawn;
    this.#isDrawn = true;
    const top = isFirst ? 0 : -this.list.getBoundingClientRect().top;
    const sight = isFirst ? screen.availHeight : window.innerHeight;
    const beyond = isFirst ? 1 : BEYOND;
    const first = Math.max(0, Math.floor(top / height) - beyond);
    const last = Math.min(runs.length, Math.ceil((top + sight) / height) + beyond);
    this.list.style.height = `${runs.length * height}px`;
    const wanted = runs.slice(first, Math.max(first, last));
    const ids = new Set(wanted.map(({ id }) => id));
    for (const [id, row] of this.rows) {
      if (ids.has(id) || row.element.contains(document.activeElement)) continue;
      this.#spare.push(row);
      this.rows.delete(id);
    }
    /** @type {Element | null} */
    let before = null;
    wanted.forEach((run, n) => {
      const row = this.rows.get(run.id) ?? this.#spare.pop() ?? new RunRow();
      this.rows.set(run.id, row);
      row.update(run);
      row.element.style.transform = `translateY(${(first + n) * height}px)`;
      set(row.element, "aria-posinset", first + n + 1);
      set(row.element, "aria-setsize", this.next === null ? runs.length : -1);
      const follows = before ? before.nextElementSibling : this.list.firstElementChild;
      if (follows !== row.element) this.list.insertBefore(row.element, follows);
      before = row.element;
    });
    for (const { element: left } of this.#spare) left.remove();
    if (runs.length - last < AHEAD) this.#askSoon(isFirst);
    set(this.end, "hidden", this.next === null || runs.length === 0);
    say(this.end, "Loading more…");
  }

  /** @param {boolean} isFirst whether the page is to be painted before */
  #askSoon(isFirst) {
    if (this.next === null || this.#isAsking) return;
    this.#isAsking = true;
    const generation = this.#generation;
    if (isFirst) window.setTimeout(() => this.#ask(generation), LATER);
    else this.#ask(generation);
  }

  /** @param {number} generation */
  async #ask(generation) {
    if (generation !== this.#generation || this.next === null) return;
    const page = await this.told.more(this.next).catch(() => null);
    if (generation !== this.#generation) return;
    this.#isAsking = false;
    if (!page) return;
    this.next = page.next;
    for (const run of page.items) {
      if (this.#ids.has(run.id)) continue;
      this.#ids.add(run.id);
      this.runs.push(run);
    }
    this.draw();
  }

  /**
   * Go to the next or previous run with the keyboard.
   * @param {number} step
   */
  move(step) {
    const { runs } = this;
    if (!runs.length) return false;
    const focused = document.activeElement?.closest("[data-id]")?.getAttribute("data-id");
    const place = runs.findIndex(({ id }) => id === focused);
    const next = place < 0 ? 0 : Math.max(0, Math.min(runs.length - 1, place + step));
    this.#reveal(next);
    this.rows.get(runs[next].id)?.link.focus({ preventScroll: true });
    return true;
  }

  /** @param {number} place */
  #reveal(place) {
    const { height } = this;
    const top = this.list.getBoundingClientRect().top + place * height;
    const [above, below] = [96, window.innerHeight - 2 * height];
    if (top < above) window.scrollBy({ top: place ? top - above : -window.scrollY });
    else if (top > below) window.scrollBy({ top: top - below });
    this.draw();
  }
}
