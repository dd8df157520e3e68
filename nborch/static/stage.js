// The stage: draws the part of a scene that is seen, and moves it.

import { Camera } from "./camera.js";
import { Card, Frame } from "./card.js";
import { element, set, shape } from "./elements.js";
import { FarView } from "./far.js";
import { Motion } from "./motion.js";
import { Overview } from "./overview.js";
import { Scene } from "./placing.js";
import { Wires } from "./wires.js";

/**
 * @typedef {import("./camera.js").View} View
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {Map<string, {x: number, y: number}>} Positions
 */

/** At smaller scales text cannot be read: then cards have their name only, or none. */
const READABLE = 0.62;
export const LEGIBLE = 0.3;

/** More cards at once would be slow, and too small to read. */
const MOST_CARDS = 450;

/** With more cards than this, nothing but colours moves. */
const MOST_MOVING = 300;
const MOST_BREATHING = 30;

const LOWEST = 92;

/** What a page has above and below the graph. */
const AROUND = 290;
const GLIDE = 320;

/** Of a scene that does not fit at this scale, a part is shown; of few cards, earlier. */
const SMALLEST = 0.12;
const SMALLEST_OF_FEW = 0.45;
const FEW = 60;

/** Between two moves to where something goes on. */
const FOLLOWS = 1_000;

export class Stage {
  /** @param {RunModel} model */
  constructor(model) {
    this.model = model;
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
    this.overview = new Overview(this.camera, (x, y) => this.go(this.camera.centred(x, y), 0));
    this.element = element("div", { class: "nb-stage" }, this.surface, this.overview.element);
    /** @type {Map<string, Card | Frame>} */
    this.cards = new Map();
    /** @type {(id: string) => Item | undefined} */
    this.itemOf = () => undefined;
    this.scene = new Scene();
    /** @type {((node: RunNode) => boolean) | null} */
    this.filter = null;
    /** The item that the keyboard is at, that whose detail is open, that pointed at. */
    this.current = "";
    this.selected = "";
    this.hovered = "";
    /** Whether all is to be seen, however small. */
    this.isWhole = false;
    /** Whether it may take the height of the window. */
    this.isTall = false;
    this.isFar = false;
  }

  #height = LOWEST;
  #hasFitted = false;
  #followed = 0;

  /**
   * Show another scene: cards that were there move to their new places.
   * @param {Scene} scene
   * @param {(id: string) => Item | undefined} itemOf
   */
  show(scene, itemOf) {
    this.motion.finish();
    /** @type {Positions} */
    const before = new Map();
    for (const [id, { item }] of this.cards) before.set(id, { x: item.x, y: item.y });
    const isCalm = this.scene.items.length === 0 || this.cards.size > MOST_MOVING;
    this.scene = scene;
    this.itemOf = itemOf;
    this.camera.scene = scene;
    this.#glide(this.#viewOfScene(), before, isCalm ? 0 : GLIDE);
  }

  /**
   * Show as much of the scene as fits.
   * @param {number} milliseconds
   */
  refit(milliseconds) {
    this.motion.finish();
    this.#glide(this.#viewOfScene(), new Map(), milliseconds);
  }

  /**
   * Make the stage as high as the scene asks for, and return the view that goes with it.
   * @returns {View}
   */
  #viewOfScene() {
    const { camera, scene } = this;
    const isFew = scene.items.length <= FEW && !this.isWhole;
    camera.smallest = isFew ? SMALLEST_OF_FEW : SMALLEST;
    const room = window.innerHeight;
    const highest = Math.max(240, this.isTall ? room - AROUND : Math.min(460, room * 0.6));
    // It never gets lower while a run goes on: what is below would jump.
    const least = this.model.isLive ? this.#height : LOWEST;
    this.#height = Math.round(Math.max(least, LOWEST, Math.min(highest, camera.wishedHeight)));
    this.element.style.height = `${this.#height}px`;
    camera.height = this.#height;
    if (camera.isHeld) return camera.view;
    const front = this.#front();
    if (!front && this.#hasFitted) return this.#viewOfMiddle();
    this.#hasFitted = true;
    return camera.fitting(front);
  }

  /** The view around what is in the middle now. */
  #viewOfMiddle() {
    const { view, width, height } = this.camera;
    const x = (width / 2 - view.x) / view.scale;
    return this.camera.fitting({ x, y: (height / 2 - view.y) / view.scale });
  }

  /** Where something goes on, or has gone wrong. */
  #front() {
    const { items } = this.scene;
    const active = items.find((item) => item.node.state.type === "RUNNING");
    return active ?? items.find((item) => item.node.state.type === "FAILED");
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
    this.#glide(camera.fitting(front), new Map(), GLIDE);
  }

  /**
   * Move to a view that the user has chosen.
   * @param {View} view
   * @param {number} milliseconds
   */
  go(view, milliseconds) {
    this.motion.finish();
    this.camera.isHeld = true;
    this.#glide(view, new Map(), milliseconds);
  }

  #moved() {
    this.motion.finish();
    this.draw();
  }

  /**
   * Move to another view, and the cards to where they are now.
   * @param {View} view
   * @param {Positions} before
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
   * @param {Positions} [before] where cards come from
   * @param {number} [share] how far they have come
   */
  draw(before, share = 1) {
    const { camera, world, scene } = this;
    const { x, y, scale } = camera.view;
    set(
      world,
      "transform",
      `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${scale.toFixed(4)})`,
    );
    const seen = camera.seen();
    const isSmall = scale < LEGIBLE;
    const items = isSmall ? [] : scene.items.filter((item) => isWithin(item, seen));
    this.isFar = isSmall || items.length > MOST_CARDS;
    this.element.classList.toggle("nb-is-far", this.isFar);
    this.element.classList.toggle("nb-is-middle", !this.isFar && scale < READABLE);
    set(this.far.element, "hidden", !this.isFar);
    set(this.wires.element, "hidden", this.isFar);
    const frames = scene.frames.filter((item) => isWithin(item, seen));
    this.#keep(this.isFar ? frames : [...frames, ...items]);
    for (const card of this.cards.values()) {
      const place = at(card.item, before, share);
      set(card.element, "transform", `translate(${place.x.toFixed(1)} ${place.y.toFixed(1)})`);
      card.setBrief(scale < READABLE);
    }
    if (this.isFar) this.#drawFar(seen);
    else
      this.wires.draw(
        scene,
        seen,
        (item) => at(item, before, share),
        this.selected || this.hovered,
      );
    if (share === 1) this.overview.draw(scene, this.model);
  }

  /** @param {import("./far.js").Part} seen */
  #drawFar(seen) {
    this.far.draw(this.scene, { model: this.model, filter: this.#itemFilter() }, seen);
  }

  /**
   * Have cards for these items, and for that with the focus.
   * @param {Item[]} items
   */
  #keep(items) {
    const kept = new Set(items.map((item) => item.id));
    const focused = this.surface.querySelector("[data-id]:focus")?.getAttribute("data-id");
    for (const [id, card] of this.cards) {
      const item = this.itemOf(id);
      const isSame = item && item.isOpen === card instanceof Frame;
      if (isSame && (kept.has(id) || id === focused)) continue;
      card.element.remove();
      this.cards.delete(id);
    }
    const filter = this.#itemFilter();
    let breathing = 0;
    for (const item of items) {
      const card = this.cards.get(item.id) ?? this.#card(item);
      if (card.item !== item || !card.element.hasAttribute("transform")) {
        card.update(item, this.model);
        this.#mark(item.id, card, filter);
      }
      if (item.node.state.type === "RUNNING") breathing += 1;
    }
    this.element.classList.toggle("nb-breathing", breathing <= MOST_BREATHING);
  }

  /** @param {Item} item */
  #card(item) {
    const card = item.isOpen ? new Frame(item) : new Card(item);
    this.cards.set(item.id, card);
    (item.isOpen ? this.frameLayer : this.cardLayer).append(card.element);
    return card;
  }

  #itemFilter() {
    const { filter } = this;
    return filter && ((/** @type {Item} */ item) => item.members.some(filter));
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
    set(this.#target(card), "tabindex", id === this.current ? 0 : -1);
  }

  /** Show the marks of all cards anew. */
  mark() {
    this.far.changeAll();
    const filter = this.#itemFilter();
    for (const [id, card] of this.cards) this.#mark(id, card, filter);
    set(this.surface, "tabindex", this.cards.has(this.current) ? -1 : 0);
  }

  /** @param {Card | Frame} card */
  #target(card) {
    return card instanceof Frame ? card.title : card.element;
  }

  /**
   * Draw items again whose runs are in other states now.
   * @param {Iterable<Item>} items
   */
  redraw(items) {
    for (const item of items) this.cards.get(item.id)?.update(item, this.model);
    if (this.filter) this.mark();
    this.far.change(items);
    if (this.isFar) this.#drawFar(this.camera.seen());
    else this.wires.recolour();
    this.overview.refresh(this.scene, this.model, items);
    this.#follow();
  }

  destroy() {
    this.motion.stop();
    this.overview.destroy();
  }

  /** Let the time of what is running go on. */
  tick() {
    for (const card of this.cards.values()) {
      if (card.item.node.state.type === "RUNNING") card.tick(this.model);
    }
  }

  /** @param {string} id */
  hover(id) {
    if (id === this.hovered) return;
    this.hovered = id;
    if (!this.isFar) this.wires.highlight(this.selected || id);
  }

  /**
   * Bring an item into sight, large enough to be read, and give it the focus.
   * @param {Item} item
   */
  focus(item) {
    const { scale } = this.camera.view;
    const part = item.isOpen ? { ...item, height: 32, width: Math.min(item.width, 200) } : item;
    const view = this.camera.revealing(part, this.isFar ? 0.9 : scale);
    const { x, y } = this.camera.view;
    if (view.x !== x || view.y !== y || view.scale !== scale) this.go(view, 0);
    this.mark();
    const card = this.cards.get(item.id);
    if (card) this.#target(card).focus({ preventScroll: true });
  }
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
 * @param {Positions | undefined} before
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
