// A card: the drawing of one run, or of many in one.

import { fitting, say, set, shape, widthOf } from "./elements.js";
import { icon } from "./icons.js";
import { CARD_HEIGHT, LABEL_FONT, labelOf } from "./placing.js";
import { secondsOf } from "./model.js";
import { compareProgress, lookOf } from "./states.js";
import { sharesOf, spokenOf, stateOf, subtitleOf } from "./telling.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./model.js").RunModel} RunModel
 */

const SUBTITLE_FONT = "11px system-ui, sans-serif";
const BAR = 3;

/** Names from a little further away, where there is nothing else on a card. */
const LARGE_FONT = "600 15px system-ui, sans-serif";

export class Card {
  /** @param {Item} item */
  constructor(item) {
    this.item = item;
    this.back = shape("rect", { class: "nb-deck", rx: 9 });
    this.box = shape("rect", { class: "nb-card", rx: 9 });
    this.ring = shape("rect", { class: "nb-focus", rx: 12 });
    this.sign = shape("g", { transform: "translate(19 21)" });
    this.label = shape("text", { class: "nb-label", x: 34, y: 18 });
    this.subtitle = shape("text", { class: "nb-subtitle", x: 34, y: 32.5 });
    this.count = shape("text", { class: "nb-count", y: 18, "text-anchor": "end" });
    this.bar = shape("g", { class: "nb-bar" });
    this.tip = shape("title");
    this.element = shape(
      "g",
      { class: "nb-node", role: "button", tabindex: -1, "data-id": item.id },
      this.tip,
      this.back,
      this.box,
      this.sign,
      this.label,
      this.subtitle,
      this.count,
      this.bar,
      this.ring,
    );
  }

  #signed = "";
  #told = "";
  #barred = "";
  #sized = "";
  #isBrief = false;

  /**
   * Show the name alone, as large as it can be, or all.
   * @param {boolean} isBrief
   */
  setBrief(isBrief) {
    if (isBrief === this.#isBrief) return;
    this.#isBrief = isBrief;
    this.#size();
  }

  /**
   * Draw what has changed.
   * @param {Item} item
   * @param {RunModel} model
   */
  update(item, model) {
    this.item = item;
    const shares = item.kind === "node" ? [] : sharesOf(item, model.view);
    const state = stateOf(item, shares);
    set(this.element, "data-type", state.type);
    set(this.element, "data-kind", item.kind);
    set(this.element, "data-state", state.name);
    set(this.element, "aria-expanded", item.kind === "node" ? null : "false");
    set(this.box, "stroke-dasharray", lookOf(state.type).dash || null);
    const signed = `${state.type}\n${state.name}`;
    if (signed !== this.#signed) {
      this.#signed = signed;
      this.sign.replaceChildren(icon(state.type, state.name));
    }
    this.#size();
    const subtitle = subtitleOf(item, shares, model);
    this.#tell(subtitle);
    set(this.element, "aria-label", spokenOf(item, shares, model));
    const why = item.node.why ? `\n${item.node.why.slice(0, 500)}` : "";
    say(this.tip, `${labelOf(item)}\n${subtitle}${why}`);
    if (item.kind === "node") this.#progress(model);
    else this.#fillBar(shares);
  }

  /**
   * Let the time go on.
   * @param {RunModel} model
   */
  tick(model) {
    const { item } = this;
    if (item.kind !== "node") return;
    this.#tell(subtitleOf(item, [], model));
    this.#progress(model);
  }

  #size() {
    const { width, kind } = this.item;
    const label = labelOf(this.item);
    const sized = `${width}|${kind}|${label}|${this.item.members.length}|${this.#isBrief}`;
    if (sized === this.#sized) return;
    this.#sized = sized;
    for (const [rect, by] of /** @type {[SVGElement, number][]} */ ([
      [this.box, 0],
      [this.ring, 3],
    ])) {
      set(rect, "x", -by);
      set(rect, "y", -by);
      set(rect, "width", width + 2 * by);
      set(rect, "height", CARD_HEIGHT + 2 * by);
    }
    const isMany = kind !== "node";
    set(this.back, "width", isMany ? width - 8 : 0);
    set(this.back, "height", isMany ? CARD_HEIGHT : 0);
    set(this.back, "x", 4);
    set(this.back, "y", 4);
    const count = isMany ? `×${this.item.members.length}` : "";
    say(this.count, count);
    set(this.count, "x", width - 10);
    set(this.sign, "transform", `translate(${this.#isBrief ? 15 : 19} 21)`);
    set(this.label, "x", this.#isBrief ? 27 : 34);
    if (this.#isBrief) {
      say(this.label, fitting(label, LARGE_FONT, width - 32));
      return;
    }
    const room = width - 42 - (isMany ? count.length * 7 + 2 : 0);
    say(this.label, fitting(label, LABEL_FONT, room));
  }

  /** @param {string} subtitle */
  #tell(subtitle) {
    if (subtitle === this.#told) return;
    this.#told = subtitle;
    say(this.subtitle, fitting(subtitle, SUBTITLE_FONT, this.item.width - 44));
  }

  /**
   * Show how far a run is, by how long it took before.
   * @param {RunModel} model
   */
  #progress(model) {
    const { node, width } = this.item;
    const seconds = node.state.type === "RUNNING" ? secondsOf(node, model.now()) : null;
    const share = seconds === null || !node.expected_seconds ? 0 : seconds / node.expected_seconds;
    const long = Math.round(Math.min(0.97, share) * (width - 44));
    const barred = `${long}`;
    if (barred === this.#barred) return;
    this.#barred = barred;
    const made = shape("rect", { x: 34, y: CARD_HEIGHT - 6, width: long, height: 2, rx: 1 });
    set(made, "data-type", "RUNNING");
    this.bar.replaceChildren(...(long > 0 ? [made] : []));
  }

  /** @param {import("./telling.js").Share[]} shares */
  #fillBar(shares) {
    const { width, members } = this.item;
    const room = width - 44;
    const barred = `${room}|${shares.map(({ facet, count }) => `${facet.key}${count}`).join()}`;
    if (barred === this.#barred) return;
    this.#barred = barred;
    let x = 34;
    const inOrder = [...shares].sort((a, b) => compareProgress(a.facet, b.facet));
    const parts = inOrder.map(({ facet, count }) => {
      const long = (room * count) / members.length;
      const part = shape("rect", { x, y: CARD_HEIGHT - BAR - 3, width: long, height: BAR });
      set(part, "data-type", facet.type);
      set(part, "data-state", facet.name);
      x += long;
      return part;
    });
    this.bar.replaceChildren(...parts);
  }
}

/** The frame around what is within a subflow, or around many runs of one task. */
export class Frame {
  /** @param {Item} item */
  constructor(item) {
    this.item = item;
    this.box = shape("rect", { class: "nb-frame-box", rx: 12 });
    this.ring = shape("rect", { class: "nb-focus", rx: 6, x: 4, y: 4, height: 24 });
    this.sign = shape("g", { transform: "translate(34 16)" });
    this.label = shape("text", { class: "nb-label", x: 47, y: 20 });
    this.subtitle = shape("text", { class: "nb-subtitle", y: 20 });
    this.hit = shape("rect", { class: "nb-frame-title", x: 4, y: 4, height: 24, rx: 6 });
    this.title = shape(
      "g",
      { class: "nb-title", role: "button", tabindex: -1, "data-id": item.id },
      this.hit,
      shape("path", { class: "nb-chevron", d: "M12 14L16 18L20 14" }),
      this.sign,
      this.label,
      this.subtitle,
      this.ring,
    );
    this.element = shape("g", { class: "nb-frame" }, this.box, this.title);
  }

  #signed = "";

  /**
   * @param {Item} item
   * @param {RunModel} model
   */
  update(item, model) {
    this.item = item;
    const shares = sharesOf(item, model.view);
    const state = stateOf(item, shares);
    set(this.element, "data-type", state.type);
    set(this.title, "aria-expanded", "true");
    set(this.title, "aria-label", spokenOf(item, shares, model));
    set(this.box, "width", item.width);
    set(this.box, "height", item.height);
    set(this.box, "stroke-dasharray", lookOf(state.type).dash || null);
    const signed = `${state.type}\n${state.name}`;
    if (signed !== this.#signed) {
      this.#signed = signed;
      this.sign.replaceChildren(icon(state.type, state.name));
    }
    const label = fitting(labelOf(item), LABEL_FONT, item.width - 70);
    say(this.label, label);
    const subtitle = subtitleOf(item, shares, model);
    const at = 47 + widthOf(label, LABEL_FONT) + 10;
    const room = item.width - at - 12;
    say(this.subtitle, room > 30 ? fitting(subtitle, SUBTITLE_FONT, room) : "");
    set(this.subtitle, "x", at);
    set(this.hit, "width", item.width - 8);
    set(this.ring, "width", item.width - 8);
  }

  /** @param {boolean} _isBrief */
  setBrief(_isBrief) {}

  /** @param {RunModel} _model */
  tick(_model) {}
}
