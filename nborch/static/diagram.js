// The Graph view: cards in columns, each after those that it depends on.

import { element, set, shape } from "./elements.js";
import { Arrangement } from "./grouping.js";
import { Placer } from "./placing.js";
import { Stage } from "./stage.js";
import { neighbour } from "./steps.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./model.js").Change} Change
 * @typedef {import("./model.js").RunModel} RunModel
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./steps.js").Direction} Direction
 *
 * @typedef {object} Told what a view says to what is around it
 * @property {(id: string) => void} open asked for the detail of a run
 */

/** By how much the buttons and keys make the graph larger. */
const NEARER = 1.4;

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
    this.stage = new Stage(model);
    this.element = this.stage.element;
    this.element.append(this.#tools());
    const { surface } = this.stage;
    surface.addEventListener("click", (event) => this.#click(event));
    surface.addEventListener("keydown", (event) => this.#key(event));
    surface.addEventListener("pointerover", (event) => this.stage.hover(idOf(event.target)));
    surface.addEventListener("pointerleave", () => this.stage.hover(""));
    surface.addEventListener("focusin", (event) => this.#enter(idOf(event.target)));
  }

  #isStale = true;
  #isShown = false;
  #scheduled = 0;
  #took = 0;

  #tools() {
    /**
     * @param {string} label
     * @param {string} drawn
     * @param {() => void} click
     */
    const tool = (label, drawn, click) =>
      element(
        "button",
        { type: "button", class: "nb-tool", "aria-label": label, title: label, click },
        shape(
          "svg",
          { viewBox: "-8 -8 16 16", width: 16, height: 16, "aria-hidden": "true" },
          shape("path", { d: drawn }),
        ),
      );
    return element(
      "div",
      { class: "nb-tools" },
      tool("Zoom out", "M-4.5 0H4.5", () => this.zoom(1 / NEARER)),
      tool("Zoom in", "M-4.5 0H4.5M0 -4.5V4.5", () => this.zoom(NEARER)),
      tool("Fit", "M-5 -2V-5H-2M2 -5H5V-2M5 2V5H2M-2 5H-5V2", () => this.fit()),
    );
  }

  /** Draw, if it can be seen and has not been drawn as things are now. */
  show() {
    this.#isShown = true;
    if (this.#isStale) this.#arrange();
    else this.stage.draw();
  }

  hide() {
    this.#isShown = false;
    this.stage.motion.finish();
    clearTimeout(this.#scheduled);
    this.#scheduled = 0;
  }

  destroy() {
    this.hide();
    this.stage.destroy();
  }

  /**
   * Take in what has changed.
   * @param {Change} change
   */
  update(change) {
    if (!this.#isShown) this.#isStale = true;
    else if (change.all || change.shape) {
      this.#isStale = true;
      if (change.all) this.#arrange();
      else this.#arrangeSoon();
    } else if (!this.#isStale) {
      this.#redraw(change.nodes);
    }
  }

  /**
   * Tell how much room there is.
   * @param {number} width
   */
  resize(width) {
    const { camera } = this.stage;
    if (width <= 0 || width === camera.width) return;
    // The drawer opens at once; a window is made wider little by little.
    const isSudden = Math.abs(width - camera.width) > 80;
    camera.width = width;
    if (!this.#isShown || this.#isStale) return;
    if (camera.isHeld) this.stage.draw();
    else this.stage.refit(isSudden ? 200 : 0);
  }

  /** A large graph that grows is laid out as often as there is time for it. */
  #arrangeSoon() {
    if (!this.#isShown || this.#scheduled) return;
    const wait = Math.min(2_000, this.#took * 5);
    if (wait < 60) this.#arrange();
    else this.#scheduled = window.setTimeout(() => this.#arrange(), wait);
  }

  #arrange() {
    clearTimeout(this.#scheduled);
    this.#scheduled = 0;
    const { camera, surface } = this.stage;
    if (!this.#isShown || camera.width <= 0) return;
    const begun = performance.now();
    this.#isStale = false;
    this.arrangement.arrange(this.model.nodes);
    const scene = this.placer.place(this.arrangement, camera.width);
    const count = this.arrangement.shownCount;
    const told = `Graph of ${count} ${count === 1 ? "run" : "runs"}.`;
    set(surface, "aria-label", `${told} Arrow keys go along the edges.`);
    this.stage.show(scene, (id) => this.arrangement.items.get(id));
    this.#took = performance.now() - begun;
  }

  /**
   * Draw runs again whose state is another, and what they are within.
   * @param {Set<string>} nodes
   */
  #redraw(nodes) {
    /** @type {Set<Item>} */
    const items = new Set();
    for (const id of nodes) {
      const node = this.model.nodes.get(id);
      let item = this.arrangement.showing(id) ?? null;
      while (node && item) {
        if (item.node.id === id) item.node = node;
        items.add(item);
        item = item.around;
      }
    }
    for (const item of items) {
      item.runs &&= item.runs.map((run) => this.model.nodes.get(run.id) ?? run);
    }
    if (this.#isShown) this.stage.redraw(items);
  }

  /** Let the time of what is running go on. */
  tick() {
    if (this.#isShown && !this.#isStale) this.stage.tick();
  }

  /** @param {((node: RunNode) => boolean) | null} filter */
  setFilter(filter) {
    this.stage.filter = filter;
    this.#remark();
  }

  /**
   * Mark the run whose detail is open.
   * @param {string} id
   */
  select(id) {
    this.stage.selected = this.arrangement.showing(id)?.id ?? "";
    this.#remark();
  }

  #remark() {
    if (!this.#isShown || this.#isStale) return;
    this.stage.mark();
    this.stage.draw();
  }

  /**
   * Bring a run into sight, and give it the focus.
   * @param {string} id
   */
  reveal(id) {
    this.#go(this.arrangement.showing(id));
  }

  /** Show all of the graph, laid out anew: what came while it grew finds its best place. */
  fit() {
    this.stage.camera.isHeld = false;
    this.stage.isWhole = true;
    this.placer.forget();
    this.#arrange();
  }

  /** @param {number} factor */
  zoom(factor) {
    this.stage.go(this.stage.camera.zoomed(factor), 160);
  }

  /** @param {MouseEvent} event */
  #click(event) {
    const item = this.arrangement.items.get(idOf(event.target));
    if (!item) {
      if (this.stage.isFar) this.#approach(event);
      return;
    }
    const isChevron =
      event.target instanceof Element && event.target.closest(".nb-chevron") !== null;
    this.#enter(item.id);
    if (isChevron) this.toggle(item);
    else this.#openOrToggle(item);
  }

  /** @param {Item} item */
  #openOrToggle(item) {
    const isClosed = item.kind !== "node" && !item.isOpen;
    if (isClosed || item.kind === "many") this.toggle(item);
    else this.told.open(item.node.id);
  }

  /**
   * Go to where the user points at from far away.
   * @param {MouseEvent} event
   */
  #approach(event) {
    const { camera, surface } = this.stage;
    const box = surface.getBoundingClientRect();
    const { x, y, scale } = camera.view;
    const [left, top] = [event.clientX - box.left - x, event.clientY - box.top - y];
    this.stage.go(camera.centred(left / scale, top / scale, 0.9), 320);
  }

  /**
   * Open or close many runs of one task, or a subflow.
   * @param {Item} item
   */
  toggle(item) {
    if (item.kind === "node") return;
    const hadFocus = this.element.matches(":focus-within");
    this.arrangement.chosen.set(item.id, !item.isOpen);
    this.#arrange();
    if (hadFocus) this.#go(this.arrangement.items.get(item.id));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key } = event;
    const item = this.arrangement.items.get(this.stage.current);
    if (Object.hasOwn(ARROWS, key)) this.#step(ARROWS[key]);
    else if (key === "Enter" && item) this.#openOrToggle(item);
    else if (key === " " && item?.kind === "node") this.told.open(item.node.id);
    else if (key === " " && item) this.toggle(item);
    else if (key === "+" || key === "=") this.zoom(NEARER);
    else if (key === "-") this.zoom(1 / NEARER);
    else if (key === "0") this.fit();
    else if (key === "Home") this.#go(this.stage.scene.items[0]);
    else if (key === "End") this.#go(this.stage.scene.items.at(-1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {Direction} direction */
  #step(direction) {
    const item = this.arrangement.items.get(this.stage.current);
    this.#go(item ? neighbour(this.arrangement, item, direction) : this.stage.scene.items[0]);
  }

  /**
   * Be at an item with the keyboard.
   * @param {string} id
   */
  #enter(id) {
    if (!this.arrangement.items.has(id)) return;
    this.stage.current = id;
    this.stage.mark();
  }

  /**
   * Be at an item, and see it.
   * @param {Item | null | undefined} item
   */
  #go(item) {
    if (!item) return;
    this.stage.current = item.id;
    this.stage.focus(item);
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
