// The Graph view: cards in columns, each after those that it depends on.

import { Camera } from "./camera.js";
import { Card, Frame } from "./card.js";
import { element, set, shape } from "./elements.js";
import { FarView } from "./far.js";
import { Arrangement } from "./grouping.js";
import { Motion } from "./motion.js";
import { Overview } from "./overview.js";
import { Placer } from "./placing.js";
import { neighbour } from "./steps.js";
import { Wires } from "./wires.js";

/**
 * @typedef {import("./camera.js").View} View
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./model.js").Change} Change
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./placing.js").Scene} Scene
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./steps.js").Direction} Direction
 *
 * @typedef {object} Told what a view says to what is around it
 * @property {(id: string) => void} open asked for the detail of a run
 */

/** At smaller scales text cannot be read: then cards have their name only, or none. */
const READABLE = 0.62;
const LEGIBLE = 0.3;

/** More cards at once would be slow, and too small to read. */
const MOST_CARDS = 450;

/** With more cards than this, nothing but colours moves. */
const MOST_MOVING = 300;
const MOST_BREATHING = 30;

const LOWEST = 92;

/** Of a scene that does not fit at this scale, a part is shown; of few cards, earlier. */
const SMALLEST = 0.12;
const FEW = 60;

/** Between two moves to where something goes on. */
const FOLLOWS = 1_000;

/** @type {Readonly<Record<string, Direction>>} */
const ARROWS = Object.freeze({
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
});

export class Diagram {
  /**
   * @param {RunModel} model
   * @param {Told} told
   */
  constructor(model, told) {
    this.model = model;
    this.told = told;
    this.arrangement = new Arrangement();
    this.placer = new Placer();
    this.motion = new Motion();
    this.far = new FarView();
    this.wires = new Wires();
    this.frameLayer = shape("g");
    this.cardLayer = shape("g");
    this.world = shape(
      "g",
      { class: "nb-world" },
      this.frameLayer,
      this.wires.element,
      this.far.element,
      this.cardLayer,
    );
    this.surface = shape("svg", { class: "nb-surface", role: "group", tabindex: 0 }, this.world);
    this.camera = new Camera(this.surface, () => this.#moved());
    this.overview = new Overview(this.camera, (x, y) => this.#go(this.camera.centred(x, y), 0));
    this.element = element("div", { class: "nb-stage" }, this.surface, this.overview.element);
    this.element.append(this.#controls());
    /** @type {Map<string, Card | Frame>} */
    this.cards = new Map();
    /** @type {Scene} */
    this.scene = { items: [], frames: [], edges: [], width: 0, height: 0 };
    /** @type {((node: RunNode) => boolean) | null} */
    this.filter = null;
    /** The item that the keyboard is at. */
    this.current = "";
    this.selected = "";
    this.hovered = "";
    this.#listen();
  }

  #isStale = true;
  #isShown = false;
  #scheduled = 0;
  #took = 0;
  #height = LOWEST;

  #controls() {
    /**
     * @param {string} label
     * @param {string} drawn
     * @param {() => void} act
     */
    const button = (label, drawn, act) =>
      element(
        "button",
        { type: "button", class: "nb-tool", "aria-label": label, title: label, click: act },
        shape("svg", { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" }, shape("path", { d: drawn })),
      );
    return element(
      "div",
      { class: "nb-tools" },
      button("Zoom out", "M-4.5 0H4.5", () => this.zoom(1 / 1.4)),
      button("Zoom in", "M-4.5 0H4.5M0 -4.5V4.5", () => this.zoom(1.4)),
      button("Fit", "M-5 -2V-5H-2M2 -5H5V-2M5 2V5H2M-2 5H-5V2", () => this.fit()),
    );
  }

  #listen() {
    const { surface } = this;
    surface.addEventListener("click", (event) => this.#click(event));
    surface.addEventListener("keydown", (event) => this.#key(event));
    surface.addEventListener("pointerover", (event) => this.#hover(idOf(event.target)));
    surface.addEventListener("pointerleave", () => this.#hover(""));
    surface.addEventListener("focusin", (event) => {
      const id = idOf(event.target);
      if (id) this.#enter(id, false);
    });
  }

  /** Draw, if it can be seen and has not been drawn as things are now. */
  show() {
    this.#isShown = true;
    if (this.#isStale) this.#arrange();
    else this.draw();
  }

  hide() {
    this.#isShown = false;
    this.motion.finish();
    clearTimeout(this.#scheduled);
    this.#scheduled = 0;
  }

  destroy() {
    this.hide();
    this.motion.stop();
  }

  /**
   * Take in what has changed.
   * @param {Change} change
   */
  update(change) {
    if (change.all || change.shape) {
      this.#isStale = true;
      if (change.all) this.#arrange();
      else this.#arrangeSoon();
      return;
    }
    this.#redraw(change.nodes);
  }

  /**
   * Tell how much room there is.
   * @param {number} width
   */
  resize(width) {
    if (width <= 0 || width === this.camera.width) return;
    this.camera.width = width;
    if (!this.#isShown || this.#isStale) return;
    if (!this.camera.isHeld) this.#fitNow(0);
    else this.draw();
  }

  /** A large graph that grows is laid out as often as there is time for it. */
  #arrangeSoon() {
    if (!this.#isShown || this.#scheduled) return;
    const wait = Math.min(2_000, this.#took * 5);
    if (wait < 60) {
      this.#arrange();
      return;
    }
    this.#scheduled = window.setTimeout(() => this.#arrange(), wait);
  }

  #arrange() {
    clearTimeout(this.#scheduled);
    this.#scheduled = 0;
    if (!this.#isShown || this.camera.width <= 0) return;
    const begun = performance.now();
    this.#isStale = false;
    this.motion.finish();
    const before = this.#positions();
    const isFirst = this.scene.items.length === 0;
    this.arrangement.arrange(this.model.nodes);
    this.scene = this.placer.place(this.arrangement, this.camera.width);
    this.camera.scene = this.scene;
    set(this.surface, "aria-label", this.#spoken());
    this.wires.reset();
    const view = this.#viewAfter();
    const isSmall = this.cards.size <= MOST_MOVING;
    this.#glide(view, before, isFirst || !isSmall ? 0 : 320);
    this.#took = performance.now() - begun;
  }

  #spoken() {
    const count = this.arrangement.shownCount;
    return `Graph of ${count} ${count === 1 ? "run" : "runs"}. Arrow keys go along the edges.`;
  }

  /**
   * Return where the cards are drawn.
   * @returns {Map<string, {x: number, y: number}>}
   */
  #positions() {
    const positions = new Map();
    for (const [id, { item }] of this.cards) positions.set(id, { x: item.x, y: item.y });
    return positions;
  }

  /**
   * Make the stage as high as the scene asks for, and return the view that goes with it.
   * @returns {View}
   */
  #viewAfter() {
    const { camera } = this;
    const highest = Math.max(240, Math.min(460, window.innerHeight * 0.6));
    const isFew = this.scene.items.length <= FEW && !this.#isWhole;
    camera.smallest = isFew ? LEGIBLE + 0.15 : SMALLEST;
    const wished = camera.wishedHeight;
    // It never gets lower while a run goes on: what is below would jump.
    const least = this.model.isLive ? this.#height : LOWEST;
    this.#height = Math.round(Math.max(least, LOWEST, Math.min(highest, wished)));
    this.element.style.height = `${this.#height}px`;
    camera.height = this.#height;
    if (camera.isHeld) return camera.view;
    const front = this.#front();
    return front || !this.#hasFitted ? this.#fitted(front) : this.#kept();
  }

  /** @param {Item} [front] */
  #fitted(front) {
    this.#hasFitted = true;
    return this.camera.fitting(front);
  }

  /** The view around what is in the middle now. */
  #kept() {
    const { view, width, height } = this.camera;
    const x = (width / 2 - view.x) / view.scale;
    return this.camera.fitting({ x, y: (height / 2 - view.y) / view.scale });
  }

  /** Of a scene that is seen in part, go along with what goes on. */
  #follow() {
    const { camera } = this;
    const now = performance.now();
    if (camera.isHeld || !camera.isPartial || now - this.#followed < FOLLOWS) return;
    const front = this.#front();
    if (!front) return;
    this.#followed = now;
    this.motion.finish();
    this.#glide(camera.fitting(front), new Map(), 320);
  }

  #hasFitted = false;
  #isWhole = false;
  #followed = 0;

  /** Where something goes on, or has gone wrong; else the beginning. */
  #front() {
    const { items } = this.scene;
    const active = items.find((item) => item.node.state.type === "RUNNING");
    return active ?? items.find((item) => item.node.state.type === "FAILED");
  }

  /**
   * Move to another view, and the cards to where they are now.
   * @param {View} view
   * @param {Map<string, {x: number, y: number}>} before
   * @param {number} milliseconds
   */
  #glide(view, before, milliseconds) {
    const from = this.camera.view;
    this.motion.run(milliseconds, (share) => {
      this.camera.view = share === 1 ? view : between(from, view, share);
      this.draw(before, share);
    });
  }

  /**
   * Draw what can be seen.
   * @param {Map<string, {x: number, y: number}>} [before] where cards come from
   * @param {number} [share] how far they have come
   */
  draw(before, share = 1) {
    const { camera, world, scene } = this;
    const { x, y, scale } = camera.view;
    set(world, "transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${scale.toFixed(4)})`);
    const seen = camera.seen();
    const items = scene.items.filter((item) => isWithin(item, seen));
    const isFar = scale < LEGIBLE || items.length > MOST_CARDS;
    this.element.classList.toggle("nb-is-far", isFar);
    this.element.classList.toggle("nb-is-middle", !isFar && scale < READABLE);
    set(this.far.element, "hidden", !isFar);
    set(this.wires.element, "hidden", isFar);
    const frames = scene.frames.filter((item) => isWithin(item, seen));
    this.#keep(isFar ? frames : [...frames, ...items]);
    for (const card of this.cards.values()) card.setBrief(scale < READABLE);
    this.#place(before, share);
    if (isFar) this.far.draw(scene, this.model, this.#itemFilter());
    else this.wires.draw(scene, seen, (item) => at(item, before, share), this.selected || this.hovered);
    if (share === 1) this.overview.draw(scene, this.model);
  }

  #itemFilter() {
    const { filter } = this;
    return filter && ((/** @type {Item} */ item) => item.members.some(filter));
  }

  /**
   * Have cards for these items, and for that with the focus.
   * @param {Item[]} items
   */
  #keep(items) {
    const kept = new Set(items.map((item) => item.id));
    const focused = idOf(this.surface.getRootNode() instanceof ShadowRoot ? null : document.activeElement);
    for (const [id, card] of this.cards) {
      const item = this.arrangement.items.get(id);
      const isSame = item && item.isOpen === card instanceof Frame;
      if (isSame && (kept.has(id) || id === focused)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    const filter = this.#itemFilter();
    let breathing = 0;
    for (const item of items) {
      let card = this.cards.get(item.id);
      if (!card) {
        card = item.isOpen ? new Frame(item) : new Card(item);
        this.cards.set(item.id, card);
        (item.isOpen ? this.frameLayer : this.cardLayer).append(card.element);
        card.update(item, this.model);
        this.#mark(item.id, card, filter);
      } else if (card.item !== item) {
        card.update(item, this.model);
        this.#mark(item.id, card, filter);
      }
      if (item.node.state.type === "RUNNING") breathing += 1;
    }
    this.element.classList.toggle("nb-breathing", breathing <= MOST_BREATHING);
  }

  /**
   * Put cards where they are, or on their way there.
   * @param {Map<string, {x: number, y: number}> | undefined} before
   * @param {number} share
   */
  #place(before, share) {
    for (const { element: drawn, item } of this.cards.values()) {
      const { x, y } = at(item, before, share);
      set(drawn, "transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    }
  }

  /**
   * Show the marks of a card: faint, selected, reached by the tab key.
   * @param {string} id
   * @param {Card | Frame} card
   * @param {((item: Item) => boolean) | null} filter
   */
  #mark(id, card, filter) {
    const { classList } = card.element;
    classList.toggle("nb-faint", filter !== null && !filter(card.item));
    classList.toggle("nb-selected", id === this.selected);
    set(card instanceof Frame ? card.title : card.element, "tabindex", id === this.current ? 0 : -1);
  }

  #markAll() {
    const filter = this.#itemFilter();
    for (const [id, card] of this.cards) this.#mark(id, card, filter);
    set(this.surface, "tabindex", this.cards.has(this.current) ? -1 : 0);
  }

  /**
   * Draw runs again whose state is another, and what they are within.
   * @param {Set<string>} nodes
   */
  #redraw(nodes) {
    if (!this.#isShown || this.#isStale) return;
    /** @type {Set<Item>} */
    const items = new Set();
    for (const id of nodes) this.#renew(id, items);
    for (const item of items) this.cards.get(item.id)?.update(item, this.model);
    if (this.filter) this.#markAll();
    if (this.element.classList.contains("nb-is-far")) {
      this.far.draw(this.scene, this.model, this.#itemFilter());
    } else this.wires.recolour();
    if (this.overview.isShown) this.overview.draw(this.scene, this.model);
    this.#follow();
  }

  /**
   * Give an item and those around it what is known of a run now.
   * @param {string} id
   * @param {Set<Item>} items
   */
  #renew(id, items) {
    const node = this.model.nodes.get(id);
    let item = this.arrangement.shown.get(id) ?? null;
    while (node && item) {
      if (item.node.id === id) item.node = node;
      // NB. Where many changed at once, each item is searched but once.
      if (!items.has(item)) {
        item.members = item.members.map((member) => this.model.nodes.get(member.id) ?? member);
        items.add(item);
      }
      item = item.around;
    }
  }

  /** Let the time of what is running go on. */
  tick() {
    if (!this.#isShown) return;
    for (const card of this.cards.values()) {
      if (card.item.node.state.type === "RUNNING") card.tick(this.model);
    }
  }

  /** @param {((node: RunNode) => boolean) | null} filter */
  setFilter(filter) {
    this.filter = filter;
    if (!this.#isShown || this.#isStale) return;
    this.#markAll();
    this.draw();
  }

  /**
   * Mark the run whose detail is open.
   * @param {string} id
   */
  select(id) {
    this.selected = this.arrangement.shown.get(id)?.id ?? "";
    if (!this.#isShown) return;
    this.#markAll();
    this.draw();
  }

  /**
   * Bring a run into sight, large enough to be read.
   * @param {string} id
   */
  reveal(id) {
    const item = this.arrangement.shown.get(id);
    if (item) this.#enter(item.id, true);
  }

  fit() {
    this.camera.isHeld = false;
    this.#isWhole = true;
    // What was appended while the run grew finds its best place.
    this.placer.forget();
    this.#arrange();
  }

  /** @param {number} milliseconds */
  #fitNow(milliseconds) {
    this.motion.finish();
    this.#glide(this.#viewAfter(), new Map(), milliseconds);
  }

  /** @param {number} factor */
  zoom(factor) {
    this.#go(this.camera.zoomed(factor), 160);
  }

  /**
   * @param {View} view
   * @param {number} milliseconds
   */
  #go(view, milliseconds) {
    this.motion.finish();
    this.camera.isHeld = true;
    this.#glide(view, new Map(), milliseconds);
  }

  #moved() {
    this.motion.finish();
    this.draw();
  }

  /** @param {string} id */
  #hover(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    if (!this.element.classList.contains("nb-is-far")) this.wires.highlight(this.selected || id);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const id = idOf(event.target);
    const item = this.arrangement.items.get(id);
    if (item) {
      const isChevron = event.target instanceof Element && event.target.closest(".nb-chevron");
      this.#enter(id, false);
      if (item.kind === "many" || !item.isOpen && item.kind === "flow" || isChevron) this.toggle(id);
      else this.told.open(item.node.id);
      return;
    }
    if (this.element.classList.contains("nb-is-far")) this.#approach(event);
  }

  /**
   * Go to where the user points at from far away.
   * @param {MouseEvent} event
   */
  #approach(event) {
    const box = this.surface.getBoundingClientRect();
    const { x, y, scale } = this.camera.view;
    const at = [(event.clientX - box.left - x) / scale, (event.clientY - box.top - y) / scale];
    this.#go(this.camera.centred(at[0], at[1], 0.9), 320);
  }

  /**
   * Open or close many runs of one task, or a subflow.
   * @param {string} id
   */
  toggle(id) {
    const item = this.arrangement.items.get(id);
    if (!item || item.kind === "node") return;
    const hadFocus = this.surface.contains(document.activeElement);
    this.arrangement.chosen.set(id, !item.isOpen);
    this.#arrange();
    if (hadFocus) this.#enter(id, true);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const item = this.arrangement.items.get(this.current);
    if (Object.hasOwn(ARROWS, key)) this.#step(ARROWS[key]);
    else if (key === "Enter" && item) {
      if (item.kind === "many" || (item.kind === "flow" && !item.isOpen)) this.toggle(item.id);
      else this.told.open(item.node.id);
    } else if (key === " " && item) {
      if (item.kind === "node") this.told.open(item.node.id);
      else this.toggle(item.id);
    } else if (key === "+" || key === "=") this.zoom(1.4);
    else if (key === "-") this.zoom(1 / 1.4);
    else if (key === "0") this.fit();
    else if (key === "Home" || key === "End") this.#enterAt(key === "Home" ? 0 : -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} place */
  #enterAt(place) {
    const item = this.scene.items.at(place);
    if (item) this.#enter(item.id, true);
  }

  /** @param {Direction} direction */
  #step(direction) {
    const item = this.arrangement.items.get(this.current);
    if (!item) {
      this.#enterAt(0);
      return;
    }
    const next = neighbour(this.arrangement, item, direction);
    if (next) this.#enter(next.id, true);
  }

  /**
   * Be at an item with the keyboard.
   * @param {string} id
   * @param {boolean} isFollowed whether it is to be seen and to have the focus
   */
  #enter(id, isFollowed) {
    const item = this.arrangement.items.get(id);
    if (!item) return;
    this.current = id;
    if (isFollowed) {
      const isTooFar = this.element.classList.contains("nb-is-far") || this.camera.view.scale < LEGIBLE;
      const part = item.isOpen ? { ...item, height: 32, width: Math.min(item.width, 200) } : item;
      const view = this.camera.revealing(part, isTooFar ? 0.9 : this.camera.view.scale);
      const { x, y, scale } = this.camera.view;
      if (view.x !== x || view.y !== y || view.scale !== scale) this.#go(view, 0);
    }
    this.#markAll();
    const card = this.cards.get(id);
    if (isFollowed && card) {
      (card instanceof Frame ? card.title : card.element).focus({ preventScroll: true });
    }
  }
}

/**
 * Return the id of the item that an event is at.
 * @param {EventTarget | null} target
 */
function idOf(target) {
  if (!(target instanceof Element)) return "";
  return target.closest("[data-id]")?.getAttribute("data-id") ?? "";
}

/**
 * @param {Item} item
 * @param {{left: number, top: number, right: number, bottom: number}} part
 */
function isWithin(item, part) {
  return (
    item.x < part.right &&
    item.x + item.width > part.left &&
    item.y < part.bottom &&
    item.y + item.height > part.top
  );
}

/**
 * Return where an item is on its way.
 * @param {Item} item
 * @param {Map<string, {x: number, y: number}> | undefined} before
 * @param {number} share
 */
function at(item, before, share) {
  const from = share < 1 ? before?.get(item.id) : undefined;
  if (!from) return { x: item.x, y: item.y };
  return { x: from.x + (item.x - from.x) * share, y: from.y + (item.y - from.y) * share };
}

/**
 * @param {View} from
 * @param {View} to
 * @param {number} share
 * @returns {View}
 */
function between(from, to, share) {
  const scale = from.scale + (to.scale - from.scale) * share;
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share, scale };
}
