// The log of a run and of all within it, which goes on as it is written.

import { element, say, set } from "../elements.js";
import { oneLine, shortened } from "../words.js";
import { ask, part, wasTakenBack } from "./api.js";
import { button, empty } from "./pieces.js";
import { sign } from "./signs.js";
import { dayOf, exact } from "./times.js";

/**
 * @typedef {import("../protocol.js").LogLine & {run: string, name: string, sequence: number}} Line
 */

/** Lines that are asked for at once, and the most that the page holds. */
const PORTION = 500;
const MOST = 20_000;

/** Lines that the browser lays out together, or not at all while out of sight. */
const BLOCK = 50;

const LONGEST = 20_000;

/** @type {[name: string, label: string][]} */
const LEVELS = [
  ["", "All levels"],
  ["INFO", "Info and above"],
  ["WARNING", "Warnings and errors"],
  ["ERROR", "Errors"],
];

/** @type {Record<string, number>} */
const RANKS = { DEBUG: 10, INFO: 20, WARNING: 30, ERROR: 40, CRITICAL: 50 };

export class RunLog {
  /**
   * @param {string} run
   * @param {string} name
   */
  constructor(run, name) {
    this.run = run;
    this.name = name;
    this.level = element(
      "select",
      { class: "field", "aria-label": "Level", change: () => this.#ask() },
      ...LEVELS.map(([value, label]) => element("option", { value }, label)),
    );
    this.search = element("input", {
      type: "search",
      class: "field search",
      placeholder: "Find in the log",
      "aria-label": "Find in the log",
      spellcheck: "false",
      autocomplete: "off",
      maxlength: 200,
      input: () => this.#typed(),
    });
    this.earlier = button("Earlier lines", { kind: "quiet", act: () => this.#askEarlier() });
    this.lines = element("div", { class: "log-lines" });
    this.scroller = element(
      "div",
      {
        class: "log",
        role: "log",
        "aria-label": "Log",
        "aria-live": "off",
        tabindex: 0,
        scroll: () => this.#scrolled(),
      },
      this.earlier,
      this.lines,
    );
    this.follow = button("Follow", { sign: "down", act: () => this.#toEnd() });
    this.follow.classList.add("follow");
    this.none = element("div", { class: "none", hidden: true });
    this.element = element(
      "div",
      { class: "log-place" },
      element(
        "div",
        { class: "filters" },
        element("label", { class: "search-box" }, sign("search"), this.search),
        this.level,
      ),
      element("div", { class: "log-frame" }, this.scroller, this.follow),
      this.none,
    );
    set(this.follow, "hidden", true);
    set(this.earlier, "hidden", true);
  }

  #timer = 0;
  #last = 0;
  /** @type {number | null} */
  #previous = null;
  #follows = true;
  #hasAsked = false;
  #isAsking = false;
  /** What came while the first lines were asked for. @type {Line[]} */
  #meanwhile = [];
  /** @type {AbortController | null} */
  #question = null;

  show() {
    if (!this.#hasAsked) this.#ask();
    else requestAnimationFrame(() => this.#follows && this.#toEnd());
    return this.element;
  }

  get #query() {
    return { level: this.level.value, q: this.search.value.trim(), limit: PORTION };
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.#ask(), 180);
  }

  async #ask() {
    this.#hasAsked = true;
    this.#isAsking = true;
    this.#question?.abort();
    const { signal } = (this.#question = new AbortController());
    try {
      const told = await ask(`runs/${part(this.run)}/log`, this.#query, signal);
      this.#last = 0;
      this.#previous = told.previous;
      this.lines.replaceChildren();
      this.#append(told.lines);
      this.#isAsking = false;
      this.#append(this.#meanwhile.splice(0).filter((line) => this.#fits(line)));
      this.#toEnd();
      this.#say();
    } catch (error) {
      if (wasTakenBack(error)) return;
      this.#isAsking = false;
      this.#say();
    }
  }

  async #askEarlier() {
    if (this.#previous === null || this.#isAsking) return;
    this.#isAsking = true;
    const before = this.#previous;
    const told = await ask(`runs/${part(this.run)}/log`, { ...this.#query, before }).catch(
      () => null,
    );
    this.#isAsking = false;
    if (!told || this.#previous !== before) return;
    this.#previous = told.previous;
    const { scrollHeight, scrollTop } = this.scroller;
    this.lines.prepend(...blocksOf(told.lines.map((/** @type {Line} */ line) => this.#line(line))));
    this.scroller.scrollTop = scrollTop + this.scroller.scrollHeight - scrollHeight;
    this.#append(this.#meanwhile.splice(0).filter((line) => this.#fits(line)));
    this.#say();
    this.#scrolled();
  }

  /**
   * Take lines that were written just now.
   * @param {Line[]} lines
   */
  take(lines) {
    if (!this.#hasAsked) return;
    if (this.#isAsking) this.#meanwhile.push(...lines);
    else {
      this.#append(lines.filter((line) => this.#fits(line)));
      this.#say();
    }
  }

  /** @param {Line} line */
  #fits({ level, message, name }) {
    const least = RANKS[this.level.value] ?? 0;
    const q = this.search.value.trim().toLowerCase();
    const isFound = !q || `${message}\n${name}`.toLowerCase().includes(q);
    return (RANKS[level] ?? 20) >= least && isFound;
  }

  /** @param {Line[]} lines */
  #append(lines) {
    // NB. What was told twice, as after the stream was lost, is shown once.
    const fresh = lines.filter(({ sequence }) => sequence > this.#last);
    if (!fresh.length) return;
    this.#last = Math.max(...fresh.map(({ sequence }) => sequence));
    const made = fresh.map((line) => this.#line(line));
    const block = this.lines.lastElementChild;
    while (block && block.childElementCount < BLOCK && made.length) {
      block.append(/** @type {HTMLElement} */ (made.shift()));
    }
    this.lines.append(...blocksOf(made));
    while (this.lines.childElementCount > MOST / BLOCK) {
      this.lines.firstElementChild?.remove();
    }
    if (this.#follows) this.#toEnd();
  }

  /** @param {Line} line */
  #line({ at, level, message, run, name }) {
    const date = new Date(at * 1000);
    const told = date.toTimeString().slice(0, 8);
    const isOwn = run === this.run;
    if (!isOwn) this.lines.style.setProperty("--names", "18ch");
    return element(
      "div",
      { class: "log-line", "data-level": oneLine(level, 20) },
      element("time", { title: exact(at), "data-day": dayOf(at) }, told),
      element("span", { class: "log-level" }, oneLine(level, 8)),
      element(
        "span",
        { class: "log-of", title: oneLine(name, 200) },
        isOwn ? "" : oneLine(name, 80),
      ),
      element("span", { class: "log-text" }, shortened(message, LONGEST)),
    );
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.#follows = scrollHeight - scrollTop - clientHeight < 40;
    set(this.follow, "hidden", this.#follows);
    if (scrollTop < 200 && this.#previous !== null) this.#askEarlier();
  }

  #toEnd() {
    this.#follows = true;
    set(this.follow, "hidden", true);
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  #say() {
    const isEmpty = this.lines.childElementCount === 0;
    set(this.scroller.parentElement ?? this.scroller, "hidden", isEmpty);
    set(this.none, "hidden", !isEmpty);
    set(this.earlier, "hidden", this.#previous === null);
    say(this.earlier, "Earlier lines");
    if (!isEmpty || this.none.childElementCount) return;
    this.none.replaceChildren(
      empty({
        sign: "file",
        title: "No lines",
        text: "What the run logs and prints appears here. Functions print to it with log_prints=True.",
      }),
    );
  }
}

/** @param {HTMLElement[]} lines */
function blocksOf(lines) {
  const blocks = [];
  for (let n = 0; n < lines.length; n += BLOCK) {
    blocks.push(element("div", { class: "log-block" }, ...lines.slice(n, n + BLOCK)));
  }
  return blocks;
}
