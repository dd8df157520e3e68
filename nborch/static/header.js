// The header: what runs, how far it is, and what can be done about it.

import { element, say, set } from "./elements.js";
import { badge } from "./icons.js";
import { pageOf } from "./links.js";
import { isOver, lookOf } from "./states.js";
import { about, clock, counted, duration, growing, oneLine } from "./words.js";

/**
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").Request} Request
 */

export class Header {
  /**
   * @param {RunModel} model
   * @param {object} told
   * @param {(message: Request) => void} told.send
   * @param {string | null} told.link
   * @param {boolean} told.canAct
   */
  constructor(model, told) {
    this.model = model;
    this.told = told;
    this.sign = element("span", { class: "nb-line-sign" });
    this.title = element("span", { class: "nb-run-name" });
    this.of = element("span", { class: "nb-run-of nb-quiet" });
    this.state = element("span", { class: "nb-run-state", role: "status", "aria-live": "polite" });
    this.time = element("span", { class: "nb-run-time nb-quiet" });
    this.cancel = this.#action("cancel", "Cancel");
    this.retry = this.#action("retry", "Retry");
    this.hint = element("span", { class: "nb-quiet" });
    this.link = element("a", { class: "nb-button", target: "_blank", rel: "noopener" }, "Open ↗");
    this.progress = element("div", { class: "nb-progress", "aria-hidden": "true" });
    this.element = element(
      "header",
      { class: "nb-header" },
      element(
        "div",
        { class: "nb-run" },
        this.sign,
        this.title,
        this.of,
        this.state,
        this.time,
        element("span", { class: "nb-actions" }, this.hint, this.cancel, this.retry, this.link),
      ),
      this.progress,
    );
  }

  #signed = "";
  #barred = "";

  /** What was asked for and has not come about. */
  #asked = "";

  /**
   * @param {"cancel" | "retry"} op
   * @param {string} label
   */
  #action(op, label) {
    const act = () => {
      this.#asked = op;
      this.told.send({ op });
      this.update();
    };
    return element(
      "button",
      { type: "button", class: "nb-button", click: act, hidden: true },
      label,
    );
  }

  update() {
    const { run, view } = this.model;
    set(this.element, "hidden", run === null);
    if (!run) return;
    const { state } = run;
    const isCells = view === "cells";
    const signed = `${state.type}|${state.name}`;
    if (signed !== this.#signed) {
      this.#signed = signed;
      this.#asked = "";
      this.sign.replaceChildren(badge(state.type, state.name));
    }
    set(this.sign, "hidden", isCells);
    say(this.title, oneLine(run.name || run.of, 120));
    const kind = run.kind === "session" ? "notebook" : run.kind;
    say(this.of, isCells || run.of === run.name ? "" : oneLine(`${kind} ${run.of}`, 120));
    // NB. Only this is read aloud when it changes: each word must be worth it.
    say(this.state, isCells ? "" : state.name || lookOf(state.type).label);
    set(this.state, "data-type", state.type);
    set(this.state, "title", oneLine(state.message, 500) || null);
    this.tick();
    this.#offer(run);
    this.#fill();
  }

  /** @param {import("./protocol.js").Run} run */
  #offer(run) {
    const can = this.told.canAct ? run.can : [];
    set(this.cancel, "hidden", !can.includes("cancel"));
    set(this.retry, "hidden", !can.includes("retry"));
    say(this.hint, this.told.canAct ? oneLine(run.hint, 200) : "");
    set(this.cancel, "disabled", this.#asked === "cancel");
    set(this.retry, "disabled", this.#asked === "retry");
    say(this.cancel, this.#asked === "cancel" ? "Cancelling…" : "Cancel");
    const link = safe(pageOf(run) ?? this.told.link);
    set(this.link, "hidden", link === null);
    set(this.link, "href", link);
  }

  /** Show how many are in which state, as a line as long as the work. */
  #fill() {
    const { total, facets } = this.model.counts();
    const barred = facets.map(({ facet, count }) => `${facet.key}${count}`).join();
    if (barred === this.#barred) return;
    this.#barred = barred;
    const shares = facets;
    while (this.progress.childElementCount > shares.length)
      this.progress.lastElementChild?.remove();
    while (this.progress.childElementCount < shares.length) this.progress.append(element("span"));
    shares.forEach(({ facet, count }, n) => {
      const part = /** @type {HTMLElement} */ (this.progress.children[n]);
      set(part, "data-type", facet.type);
      set(part, "data-state", facet.name);
      part.style.flexGrow = String(count / total);
    });
  }

  /** Say of what does not go on when it was so. */
  #asOf() {
    return this.model.isKept ? [`as of ${clock(this.model.keptAt)}`] : [];
  }

  tick() {
    const { run, view } = this.model;
    if (!run) return;
    if (view === "cells") {
      say(this.time, [counted(this.model.nodes.size, "cell task"), ...this.#asOf()].join(" · "));
      return;
    }
    const progress = this.model.progress();
    if (!progress) {
      say(this.time, "");
      return;
    }
    const { elapsed, left } = progress;
    const isEnded = run.ended !== null || isOver(run.state.type);
    const parts = [isEnded ? duration(elapsed) : growing(elapsed)];
    if (!isEnded) {
      const { total, over } = this.model.counts();
      if (total) parts.push(`${over} of ${total}`);
      if (this.model.isKept) parts.push(...this.#asOf());
      else if (left !== null) {
        parts.push(left > 0 ? `about ${about(left)} left` : "longer than usual");
      }
    }
    say(this.time, parts.join(" · "));
  }
}

/**
 * Return an address that leads to a page and does nothing else.
 * @param {string | null | undefined} link
 */
function safe(link) {
  if (!link) return null;
  try {
    const { protocol } = new URL(link, document.baseURI);
    return protocol === "http:" || protocol === "https:" ? link : null;
  } catch {
    return null;
  }
}
