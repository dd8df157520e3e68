// The overview: the whole scene in a corner, with the part that is seen framed.

import { FarView } from "./far.js";
import { set, shape } from "./elements.js";

/**
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./placing.js").Scene} Scene
 * @typedef {import("./model.js").RunModel} RunModel
 */

const WIDTH = 160;
const HEIGHT = 84;

/** It is drawn after what it is an overview of. */
const LATER = 150;

export class Overview {
  /**
   * @param {Camera} camera
   * @param {(x: number, y: number) => void} go called with where the user points
   */
  constructor(camera, go) {
    this.camera = camera;
    this.far = new FarView();
    /** Draws what is there then. */
    this.draws = () => {};
    this.frame = shape("rect", { class: "nb-seen", rx: 3 });
    this.element = shape(
      "svg",
      { class: "nb-overview", "aria-hidden": "true", hidden: true, preserveAspectRatio: "none" },
      this.far.element,
      this.frame,
    );
    /** @param {PointerEvent} event */
    const point = (event) => {
      if (event.type === "pointermove" && !(event.buttons & 1)) return;
      event.preventDefault();
      const box = this.element.getBoundingClientRect();
      const { width, height } = this.camera.scene;
      const x = ((event.clientX - box.left) / box.width) * width;
      go(x, ((event.clientY - box.top) / box.height) * height);
    };
    this.element.addEventListener("pointerdown", point);
    this.element.addEventListener("pointermove", point);
  }

  /** Whether it can be seen: only where some of the scene cannot. */
  get isShown() {
    return !this.element.hasAttribute("hidden");
  }

  #timer = 0;

  /**
   * Show it where it is needed, and what is seen in it.
   * @param {Scene} scene
   * @param {RunModel} model
   */
  draw(scene, model) {
    const { camera } = this;
    const isNeeded = camera.isPartial && camera.width > 360;
    const isOther = isNeeded !== this.isShown || scene !== this.far.scene;
    set(this.element, "hidden", !isNeeded);
    if (!isNeeded) return;
    const scale = Math.min(WIDTH / scene.width, HEIGHT / scene.height);
    set(this.element, "viewBox", `0 0 ${Math.round(scene.width)} ${Math.round(scene.height)}`);
    set(this.element, "width", Math.max(24, Math.round(scene.width * scale)));
    set(this.element, "height", Math.max(16, Math.round(scene.height * scale)));
    this.#follow(scene);
    if (isOther) this.refresh(scene, model, []);
  }

  /**
   * Draw the scene again, when what is larger has been drawn.
   * @param {Scene} scene
   * @param {RunModel} model
   * @param {Iterable<Item>} changed
   */
  refresh(scene, model, changed) {
    this.draws = () => this.far.draw(scene, { model, filter: null });
    this.far.change(changed);
    if (this.#timer || !this.isShown) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.draws();
    }, LATER);
  }

  destroy() {
    clearTimeout(this.#timer);
  }

  /**
   * Frame what is seen now.
   * @param {Scene} scene
   */
  #follow(scene) {
    const { left, top, right, bottom } = this.camera.seen(0);
    const [x, y] = [Math.max(0, left), Math.max(0, top)];
    set(this.frame, "x", x);
    set(this.frame, "y", y);
    set(this.frame, "width", Math.max(0, Math.min(scene.width, right) - x));
    set(this.frame, "height", Math.max(0, Math.min(scene.height, bottom) - y));
  }
}
