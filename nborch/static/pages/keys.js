// Keys: shortcuts, of one letter or of two after each other.

import { element } from "../elements.js";

/**
 * @typedef {object} Shortcut
 * @property {string} keys such as "/" or "g r"
 * @property {string} label what it does
 * @property {() => boolean | void} act may return false: the key was not for it
 */

/** So long after the first letter the second one belongs to it. */
const TOGETHER = 1_200;

const NAMES = { Enter: "↵", Escape: "Esc" };

export class Keys {
  constructor() {
    /** @type {Shortcut[]} */
    this.shortcuts = [];
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  #before = "";
  #at = 0;

  /**
   * @param {string} keys
   * @param {string} label empty if the help is silent about it
   * @param {() => boolean | void} act
   */
  add(keys, label, act) {
    this.shortcuts.push({ keys, label, act });
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    const { target } = event;
    const isTyping =
      target instanceof Element &&
      target.matches("input, textarea, select, [contenteditable]") &&
      !target.matches("[type=checkbox], [type=radio]");
    if (isTyping && event.key !== "Escape") return;
    const isAfter = event.timeStamp - this.#at < TOGETHER;
    const both = isAfter && this.#before ? `${this.#before} ${event.key}` : "";
    this.#before = event.key;
    this.#at = event.timeStamp;
    // The one that was added last comes first: a page before what is around it.
    for (const { keys, act } of [...this.shortcuts].reverse()) {
      if (keys !== both && keys !== event.key) continue;
      if (act() === false) continue;
      event.preventDefault();
      this.#before = "";
      return;
    }
  }
}

/**
 * Return keys as they are drawn.
 * @param {string} keys
 */
export function keycaps(keys) {
  return element(
    "span",
    { class: "keycaps" },
    ...keys
      .split(" ")
      .map((key) =>
        element("kbd", {}, NAMES[/** @type {keyof typeof NAMES} */ (key)] ?? key.toUpperCase()),
      ),
  );
}
