// The shell: what is around every page.

import { element, say, set } from "../elements.js";
import { openDialog } from "./dialogs.js";
import { keycaps, Keys } from "./keys.js";
import { first, to } from "./place.js";
import { button } from "./pieces.js";
import { mark, sign } from "./signs.js";

/**
 * @typedef {import("./live.js").Condition} Condition
 * @typedef {import("./signs.js").Sign} Sign
 */

/** @type {[path: string, label: string, sign: Sign, key: string, pages: string[]][]} */
const PLACES = [
  ["", "Runs", "runs", "r", ["runs", "run"]],
  ["deployments", "Deployments", "deployments", "d", ["deployments", "deployment"]],
  ["work-pools", "Work pools", "pools", "w", ["work-pools", "work-pool"]],
  ["concurrency-limits", "Concurrency", "limits", "l", ["concurrency-limits"]],
  ["cache", "Cache", "cache", "c", ["cache"]],
  ["settings", "Settings", "settings", "s", ["settings"]],
];

/** A stream that comes back at once need not be told of. */
const PATIENCE = 1_200;

export class Shell {
  constructor() {
    this.keys = new Keys();
    this.condition = element("span", { class: "condition", role: "status" });
    this.banner = element("div", { class: "banner", role: "alert", hidden: true });
    this.main = element("main", { id: "main", class: "main", tabindex: -1 });
    this.#turn = button("", { kind: "quiet", isBare: true, act: () => this.#turnTheme() });
    document.body.prepend(
      element("a", { class: "skip", href: "#main" }, "Skip to the content"),
      this.#side(),
      element("div", { class: "stage" }, this.banner, this.main),
    );
    this.#paint();
    document.addEventListener("nborch-theme", () => this.#paint());
    this.#addKeys();
  }

  #turn;
  #timer = 0;

  #side() {
    const links = PLACES.map(([path, label, name, , pages]) =>
      element(
        "a",
        {
          href: to(path),
          title: label,
          "aria-current": pages.includes(first.page) ? "page" : null,
        },
        sign(name),
        element("span", { class: "side-label" }, label),
      ),
    );
    const help = button("Keyboard shortcuts", {
      sign: "keys",
      kind: "quiet",
      isBare: true,
      act: () => this.#help(),
    });
    help.classList.add("side-help");
    return element(
      "header",
      { class: "side" },
      element(
        "a",
        { class: "brand", href: to(""), "aria-label": "nborch, all runs" },
        mark(),
        element("span", { class: "side-label" }, "nborch"),
      ),
      element("nav", { "aria-label": "Pages" }, ...links),
      element("div", { class: "side-foot" }, this.condition, help, this.#turn),
    );
  }

  #addKeys() {
    for (const [path, label, , key] of PLACES) {
      this.keys.add(`g ${key}`, `Go to ${label}`, () => location.assign(to(path)));
    }
    this.keys.add("t", "Turn between light and dark", () => this.#turnTheme());
    this.keys.add("?", "Show this help", () => this.#help());
  }

  #turnTheme() {
    document.dispatchEvent(new CustomEvent("nborch-turn"));
  }

  #paint() {
    const isDark = document.documentElement.dataset.theme === "dark";
    const label = isDark ? "Turn to light" : "Turn to dark";
    this.#turn.replaceChildren(sign(isDark ? "sun" : "moon"));
    set(this.#turn, "aria-label", label);
    set(this.#turn, "title", label);
    // The run graph looks there, as in JupyterLab.
    set(document.body, "data-jp-theme-light", isDark ? "false" : "true");
  }

  #help() {
    const shown = this.keys.shortcuts.filter(({ label }) => label);
    const list = element(
      "dl",
      { class: "shortcuts" },
      ...shown.map(({ keys, label }) =>
        element("div", {}, element("dt", {}, keycaps(keys)), element("dd", {}, label)),
      ),
    );
    const dialog = openDialog({
      title: "Keyboard shortcuts",
      content: [list],
      label: "Close",
      act: async () => {},
    });
    dialog.querySelector("footer")?.remove();
  }

  /**
   * Say whether what is seen is up to date.
   * @param {Condition} condition
   */
  tell(condition) {
    clearTimeout(this.#timer);
    if (condition === "lost") {
      this.#timer = window.setTimeout(() => this.#show("lost"), PATIENCE);
    } else this.#show(condition);
  }

  /** @param {Condition} condition */
  #show(condition) {
    set(this.condition, "data-condition", condition);
    const live = first.looks ? "Live, to look" : "Live";
    const label = { live, lost: "Reconnecting…", refused: "Signed out" }[condition];
    say(this.condition, label);
    set(this.condition, "title", label);
    set(this.banner, "hidden", condition === "live");
    if (condition === "lost") {
      this.banner.replaceChildren("The server does not answer. This page goes on when it is back.");
    } else if (condition === "refused") {
      const again = element("a", { href: location.href }, "Sign in again");
      this.banner.replaceChildren("The server does not know this browser any more. ", again);
    }
  }

  /**
   * Set what the page is called, and what stands at its head.
   * @param {string} title
   * @param {object} [more]
   * @param {(HTMLElement | null)[]} [more.actions]
   * @param {[label: string, href: string]} [more.back]
   * @param {HTMLElement | null} [more.lead] stands before the title
   * @param {HTMLElement | null} [more.trail] stands after it
   * @param {HTMLElement | null} [more.under] stands below it
   */
  head(title, more = {}) {
    say(/** @type {HTMLElement} */ (document.querySelector("title")), `${title} · nborch`);
    const { actions = [], back } = more;
    const made = element(
      "header",
      { class: "head" },
      back && element("a", { class: "back", href: back[1] }, sign("back"), back[0]),
      element(
        "div",
        { class: "head-line" },
        more.lead,
        element("h1", {}, title),
        more.trail,
        element("div", { class: "head-actions" }, ...actions),
      ),
      more.under,
    );
    this.main.querySelector(":scope > .head")?.remove();
    this.main.prepend(made);
    return made;
  }
}
