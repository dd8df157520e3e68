// The drawer: all that is known of one run, and its log while it is written.

import { element, say, set } from "./elements.js";
import { badge } from "./icons.js";
import { secondsOf } from "./model.js";
import { isCached, isOver, lookOf } from "./states.js";
import { clock, duration, growing, oneLine, shortened } from "./words.js";

/**
 * @typedef {import("./elements.js").Child} Child
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").Detail} Detail
 * @typedef {import("./protocol.js").LogLine} LogLine
 * @typedef {import("./protocol.js").Request} Request
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./protocol.js").Value} Value
 */

/** Between two questions for the log or the detail. */
const PAUSE = 700;

/** More lines would make the page slow; the file has them all. */
const MOST_LINES = 2_000;
const LONGEST = 20_000;

export class Drawer {
  /**
   * @param {RunModel} model
   * @param {object} told
   * @param {(message: Request) => void} told.send
   * @param {() => void} told.closed
   * @param {(id: string) => void} told.open shows another run
   * @param {boolean} told.canAsk
   */
  constructor(model, told) {
    this.model = model;
    this.told = told;
    this.sign = element("span", { class: "nb-line-sign" });
    this.title = element("div", { class: "nb-drawer-title" });
    const close = element(
      "button",
      {
        type: "button",
        class: "nb-tool",
        "aria-label": "Close",
        title: "Close (Esc)",
        click: () => told.closed(),
      },
      "✕",
    );
    this.facts = element("dl", { class: "nb-facts" });
    this.body = element("div", { class: "nb-drawer-body" });
    this.log = element("div", {
      class: "nb-log",
      role: "log",
      tabindex: 0,
      "aria-label": "Log",
      "aria-live": "off",
    });
    this.logSection = section("Log", this.log);
    this.element = element(
      "aside",
      { class: "nb-drawer", "aria-label": "Detail", hidden: true },
      element("header", { class: "nb-drawer-head" }, this.sign, this.title, close),
      element(
        "div",
        { class: "nb-drawer-scroll", tabindex: 0, role: "region", "aria-label": "Facts" },
        this.facts,
        this.body,
        this.logSection,
      ),
    );
    this.id = "";
    /** @type {Detail | null} */
    this.detail = null;
    this.next = 0;
  }

  #timer = 0;
  #asked = "";
  #follows = false;

  get isOpen() {
    return this.id !== "";
  }

  /** @param {string} id */
  open(id) {
    if (id !== this.id) {
      this.id = id;
      this.detail = null;
      this.next = 0;
      this.#asked = "";
      this.#follows = false;
      this.#isOther = false;
      this.log.replaceChildren();
      set(this.logSection, "hidden", true);
      this.body.replaceChildren();
    }
    set(this.element, "hidden", false);
    this.update();
    this.#ask();
  }

  close() {
    this.id = "";
    clearTimeout(this.#timer);
    this.#timer = 0;
    set(this.element, "hidden", true);
  }

  destroy() {
    this.close();
  }

  /** Show what the graph knows; ask for more if the run is in another state now. */
  update() {
    const node = this.model.nodes.get(this.id);
    if (!node) return;
    const { state } = node;
    const asked = `${state.type}|${state.name}|${node.attempts.length}`;
    if (asked !== this.#asked) {
      if (this.#asked) {
        this.#isOther = true;
        this.#askSoon();
      }
      this.#asked = asked;
      this.sign.replaceChildren(badge(state.type, state.name));
    }
    say(this.title, node.name);
    set(this.title, "title", node.name);
    this.#drawFacts(node);
  }

  tick() {
    const node = this.model.nodes.get(this.id);
    if (node && node.state.type === "RUNNING") this.#drawFacts(node);
  }

  #ask() {
    if (!this.told.canAsk) return;
    this.told.send({ op: "detail", id: this.id });
    this.#askSoon();
  }

  #askSoon() {
    if (!this.told.canAsk || this.#timer || !this.id) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      const node = this.model.nodes.get(this.id);
      if (!node || !this.id) return;
      const isLive = !isOver(node.state.type) && this.model.isLive;
      const isOther = this.#isOther;
      this.#isOther = false;
      if (isOther) this.told.send({ op: "detail", id: this.id });
      if (this.#follows && (isLive || isOther)) {
        this.told.send({ op: "log", id: this.id, after: this.next });
      }
      if (isLive) this.#askSoon();
    }, PAUSE);
  }

  /** Whether the run is in another state than when its detail was asked for. */
  #isOther = false;

  /**
   * @param {string} id
   * @param {Detail | null} detail
   */
  take(id, detail) {
    if (id !== this.id || !detail) return;
    this.detail = detail;
    this.update();
    const node = this.model.nodes.get(id);
    if (node) this.#drawBody(node, detail);
    if (detail.log && !this.#follows) this.#write(detail.log, true);
    if (typeof detail.next === "number" && !this.#follows) {
      this.next = detail.next;
      this.#follows = true;
    }
  }

  /**
   * @param {string} id
   * @param {LogLine[]} lines
   * @param {number} next
   */
  takeLog(id, lines, next) {
    if (id !== this.id) return;
    this.next = next;
    this.#follows = true;
    this.#write(lines, false);
  }

  /**
   * Add lines to the log; the end stays in sight if it was.
   * @param {LogLine[]} lines
   * @param {boolean} isWhole
   */
  #write(lines, isWhole) {
    const { log } = this;
    const isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 24;
    const made = lines.slice(-MOST_LINES).map(lineOf);
    if (isWhole) log.replaceChildren(...made);
    else log.append(...made);
    while (log.childElementCount > MOST_LINES) log.firstElementChild?.remove();
    set(this.logSection, "hidden", log.childElementCount === 0);
    if (isAtEnd) log.scrollTop = log.scrollHeight;
  }

  /** @param {RunNode} node */
  #drawFacts(node) {
    const seconds = secondsOf(node, this.model.now());
    const isRunning = node.ended === null;
    const source = node.source_run ?? this.detail?.source_run;
    const saved = node.saved_seconds ?? this.detail?.saved_seconds;
    const took = seconds === null ? "" : isRunning ? growing(seconds) : duration(seconds);
    const usual = node.expected_seconds ? ` (usually ${duration(node.expected_seconds)})` : "";
    const told = oneLine(node.state.message, 300);
    /** @type {[string, string][]} */
    const rows = [
      ["State", node.state.name || lookOf(node.state.type).label],
      ["Message", told],
      ["Task", node.of === node.name ? "" : node.of],
      ["Why", oneLine(node.why ?? this.detail?.why, 500)],
      ["Took", took && took + usual],
      ["Waited", waited(node)],
      ["Started", node.started === null ? "" : clock(node.started)],
      ["Saved", saved ? duration(saved) : ""],
      ["From", isCached(node.state) && source ? oneLine(source) : ""],
      ["Key", oneLine(this.detail?.key)],
      ["Tags", (this.detail?.tags ?? []).map((tag) => oneLine(tag)).join(", ")],
    ];
    const shown = rows.filter(([, text]) => text);
    while (this.facts.childElementCount > 2 * shown.length) this.facts.lastElementChild?.remove();
    while (this.facts.childElementCount < 2 * shown.length) {
      this.facts.append(element("dt"), element("dd"));
    }
    shown.forEach(([label, text], n) => {
      say(this.facts.children[2 * n], label);
      const value = this.facts.children[2 * n + 1];
      say(value, text);
      set(value, "class", ["From", "Key"].includes(label) ? "nb-code" : null);
    });
  }

  /**
   * @param {RunNode} node
   * @param {Detail} detail
   */
  #drawBody(node, detail) {
    const attempts = detail.attempts?.length ? detail.attempts : node.attempts;
    const history = detail.history ?? [];
    const parameters = Object.entries(detail.parameters ?? {});
    this.body.replaceChildren(
      ...[
        detail.remark && element("p", { class: "nb-quiet" }, shortened(detail.remark, 1_000)),
        detail.error && errorOf(detail.error),
        attempts.length > 1 && section("Attempts", listOf(attempts.map(attemptOf))),
        detail.inputs?.length ? section("Inputs", listOf(detail.inputs.map(valueOf))) : null,
        detail.outputs?.length ? section("Outputs", listOf(detail.outputs.map(valueOf))) : null,
        parameters.length && !detail.inputs?.length
          ? section(
              "Parameters",
              listOf(parameters.map(([name, preview]) => valueOf({ name, preview }))),
            )
          : null,
        history.length
          ? section(
              "History",
              listOf(history.map((happening) => happeningOf(happening, history[0].at))),
            )
          : null,
        detail.code ? section("Code", pre(detail.code)) : null,
      ].filter((part) => part instanceof Node),
    );
  }
}

/** @param {RunNode} node */
function waited(node) {
  const first = node.attempts[0]?.started ?? node.started;
  if (first === null || node.created === null || first - node.created < 0.05) return "";
  return duration(first - node.created);
}

/**
 * @param {string} title
 * @param {...Child} children
 */
function section(title, ...children) {
  return element(
    "section",
    { "aria-label": title },
    element("div", { class: "nb-heading" }, title),
    ...children,
  );
}

/** @param {HTMLElement[]} items */
function listOf(items) {
  return element("ul", { class: "nb-list" }, ...items.slice(0, 200));
}

/** @param {string} text */
function pre(text) {
  return element("pre", { class: "nb-pre", tabindex: 0 }, shortened(text, LONGEST));
}

/** @param {NonNullable<Detail["error"]>} error */
function errorOf({ type, message, traceback }) {
  const said = element(
    "p",
    { class: "nb-error" },
    element("strong", {}, oneLine(type)),
    message ? `: ${shortened(message, 1_000)}` : "",
  );
  return section("Error", said, traceback ? pre(traceback) : null);
}

/** @param {import("./protocol.js").Attempt} attempt */
function attemptOf({ n, started, ended, type, name }) {
  const took = started !== null && ended !== null ? duration(ended - started) : "";
  return element(
    "li",
    {},
    element("span", { class: "nb-line-sign" }, badge(type, name)),
    element("span", { class: "nb-grow" }, `${n} · ${oneLine(name)}`),
    element("span", { class: "nb-quiet" }, took),
  );
}

/** @param {Value} value */
function valueOf({ name, digest, preview }) {
  return element(
    "li",
    { class: "nb-value" },
    element(
      "div",
      { class: "nb-value-head" },
      element("span", { class: "nb-code nb-grow" }, oneLine(name)),
      digest
        ? element(
            "span",
            { class: "nb-code nb-quiet", title: oneLine(digest) },
            oneLine(digest).slice(0, 10),
          )
        : null,
    ),
    preview ? element("div", { class: "nb-preview" }, shortened(preview, 1_000)) : null,
  );
}

/**
 * @param {import("./protocol.js").Happening} happening
 * @param {number} first
 */
function happeningOf({ at, type, name, message }, first) {
  return element(
    "li",
    { title: clock(at) },
    element("span", { class: "nb-line-sign" }, badge(type, name)),
    element(
      "span",
      { class: "nb-grow" },
      [oneLine(name), oneLine(message, 160)].filter(Boolean).join(": "),
    ),
    element("span", { class: "nb-quiet" }, at > first ? `+${duration(at - first)}` : clock(at)),
  );
}

/** @param {LogLine} line */
function lineOf({ at, level, message }) {
  return element(
    "div",
    { class: "nb-log-line", "data-level": oneLine(level, 20) },
    element("span", { class: "nb-quiet" }, clock(at)),
    element("span", { class: "nb-log-text" }, shortened(message, LONGEST)),
  );
}
