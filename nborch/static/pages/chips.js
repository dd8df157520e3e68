// Chips: how many runs are in which state; a click shows only those.

import { element, say, set } from "../elements.js";
import { badge } from "../icons.js";
import { lookOf } from "../states.js";
import { numeral } from "../words.js";

/** What goes on first, then what went wrong, then what is well. */
const ORDER = [
  ...["RUNNING", "PAUSED", "PENDING", "SCHEDULED", "CANCELLING"],
  ...["FAILED", "CRASHED", "CANCELLED", "COMPLETED"],
];

export class Chips {
  /** @param {(states: string[]) => void} changed */
  constructor(changed) {
    this.changed = changed;
    /** @type {string[]} */
    this.chosen = [];
    /** @type {Map<string, HTMLButtonElement>} */
    this.chips = new Map();
    this.all = this.#chip("", "All");
    this.element = element("div", { class: "chips", role: "group", "aria-label": "States" });
    this.element.append(this.all);
  }

  /**
   * @param {Record<string, number>} counts
   * @param {string[]} chosen
   */
  show(counts, chosen) {
    this.chosen = chosen;
    const total = Object.values(counts).reduce((one, other) => one + other, 0);
    this.#tell(this.all, total, chosen.length === 0);
    /** @type {Element} */
    let before = this.all;
    for (const type of ORDER) {
      const isChosen = chosen.includes(type);
      const count = counts[type] ?? 0;
      const known = this.chips.get(type);
      if (!count && !isChosen) {
        known?.remove();
        this.chips.delete(type);
        continue;
      }
      const chip = known ?? this.#chip(type, lookOf(type).label);
      this.chips.set(type, chip);
      this.#tell(chip, count, isChosen);
      if (before.nextElementSibling !== chip) before.after(chip);
      before = chip;
    }
  }

  /**
   * @param {HTMLElement} chip
   * @param {number} count
   * @param {boolean} isChosen
   */
  #tell(chip, count, isChosen) {
    say(/** @type {HTMLElement} */ (chip.lastElementChild), numeral(count));
    set(chip, "aria-pressed", isChosen ? "true" : "false");
  }

  /**
   * @param {string} type
   * @param {string} label
   */
  #chip(type, label) {
    return element(
      "button",
      { type: "button", class: "chip", "data-type": type || null, click: () => this.#turn(type) },
      type && badge(type, ""),
      element("span", { class: "chip-label" }, label),
      element("span", { class: "chip-count" }),
    );
  }

  /** @param {string} type */
  #turn(type) {
    const { chosen } = this;
    if (!type) this.changed([]);
    else if (chosen.includes(type)) this.changed(chosen.filter((each) => each !== type));
    else this.changed([...chosen, type]);
  }
}
