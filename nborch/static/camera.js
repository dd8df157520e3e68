// The camera: which part of a scene is seen, how large, and the gestures that change it.

/** How far it goes in. How far out, the scene tells. */
const NEAREST = 2;

/** A pointer that moves less is a click. */
const STILL = 4;

/**
 * @typedef {{x: number, y: number, scale: number}} View the place of the scene's origin
 *   on the page, and what a unit of the scene is in pixels
 */

export class Camera {
  /**
   * @param {SVGSVGElement} surface
   * @param {() => void} changed called when the user has moved it
   */
  constructor(surface, changed) {
    this.surface = surface;
    this.changed = changed;
    /** @type {View} */
    this.view = { x: 0, y: 0, scale: 1 };
    /** Whether the user has chosen what to see; else all of the scene is shown. */
    this.isHeld = false;
    this.width = 0;
    this.height = 0;
    this.scene = { width: 0, height: 0 };
    this.padding = 16;
    /** A scene that is not seen whole at this scale is seen in part. */
    this.smallest = 0.12;
    surface.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    surface.addEventListener("pointerdown", (event) => this.#press(event));
    surface.addEventListener("pointermove", (event) => this.#drag(event));
    surface.addEventListener("pointerup", () => this.#release());
    surface.addEventListener("pointercancel", () => this.#release());
    surface.addEventListener("click", (event) => this.#click(event), { capture: true });
  }

  /** @type {{x: number, y: number, view: View, id: number} | null} */
  #pressed = null;
  #isDragging = false;

  /** The scale at which the whole scene is seen. */
  get whole() {
    const { width, height } = this.scene;
    const across = (this.width - 2 * this.padding) / Math.max(1, width);
    const down = (this.height - 2 * this.padding) / Math.max(1, height);
    return Math.max(this.smallest, Math.min(1, across, down));
  }

  /** How high the stage is to be for the scene to be seen as wide as it can be. */
  get wishedHeight() {
    const across = (this.width - 2 * this.padding) / Math.max(1, this.scene.width);
    const scale = Math.max(this.smallest, Math.min(1, across));
    // Who goes nearer needs room to look around.
    const least = scale < 0.3 ? 220 : scale < 0.5 ? 130 : 0;
    return Math.max(least, this.scene.height * scale + 2 * this.padding);
  }

  /**
   * Return the view of the whole scene; of a large one, the part with a point in it.
   * @param {{x: number, y: number}} [point]
   * @returns {View}
   */
  fitting(point = { x: 0, y: 0 }) {
    const scale = this.whole;
    const { width, height } = this.scene;
    const [x, y] = [this.width / 2 - point.x * scale, this.height / 2 - point.y * scale];
    const free = this.height - height * scale;
    return {
      x: Math.min(this.padding, Math.max(x, this.width - this.padding - width * scale)),
      y:
        free >= 2 * this.padding
          ? free / 2
          : Math.min(this.padding, Math.max(y, free - this.padding)),
      scale,
    };
  }

  /** The part of the scene that is seen, with some more around. */
  seen(margin = 80) {
    const { x, y, scale } = this.view;
    const more = margin / scale;
    return {
      left: -x / scale - more,
      top: -y / scale - more,
      right: (this.width - x) / scale + more,
      bottom: (this.height - y) / scale + more,
    };
  }

  /** Whether some of the scene is out of sight. */
  get isPartial() {
    const { left, top, right, bottom } = this.seen(12);
    return left > 0 || top > 0 || right < this.scene.width || bottom < this.scene.height;
  }

  /**
   * Make the scene larger or smaller around a point of the page.
   * @param {number} factor
   * @param {number} [x]
   * @param {number} [y]
   * @returns {View}
   */
  zoomed(factor, x = this.width / 2, y = this.height / 2) {
    const { view } = this;
    const least = Math.min(this.whole * 0.5, 0.06);
    const scale = Math.min(NEAREST, Math.max(least, view.scale * factor));
    const ratio = scale / view.scale;
    return this.#kept({ x: x - (x - view.x) * ratio, y: y - (y - view.y) * ratio, scale });
  }

  /**
   * Return the view with a part of the scene in it, moved no more than needed.
   * @param {{x: number, y: number, width: number, height: number}} part
   * @param {number} [scale]
   * @returns {View}
   */
  revealing(part, scale = this.view.scale) {
    const middle = { x: part.x + part.width / 2, y: part.y + part.height / 2 };
    if (scale !== this.view.scale) {
      const x = this.width / 2 - middle.x * scale;
      return { x, y: this.height / 2 - middle.y * scale, scale };
    }
    const x = nearest(this.view.x, part.x * scale, part.width * scale, this.width);
    return { x, y: nearest(this.view.y, part.y * scale, part.height * scale, this.height), scale };
  }

  /**
   * Return the view with a point of the scene in the middle.
   * @param {number} x
   * @param {number} y
   * @param {number} [scale]
   * @returns {View}
   */
  centred(x, y, scale = this.view.scale) {
    return this.#kept({ x: this.width / 2 - x * scale, y: this.height / 2 - y * scale, scale });
  }

  /**
   * Keep some of the scene in sight.
   * @param {View} view
   * @returns {View}
   */
  #kept(view) {
    const some = 60;
    const { width, height } = this.scene;
    return {
      x: Math.min(this.width - some, Math.max(some - width * view.scale, view.x)),
      y: Math.min(this.height - some / 2, Math.max(some / 2 - height * view.scale, view.y)),
      scale: view.scale,
    };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    // NB. A plain wheel scrolls the notebook; a pinch comes as a wheel with ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = this.surface.getBoundingClientRect();
    const pixels = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
    const factor = Math.exp(-Math.max(-80, Math.min(80, pixels)) / 160);
    this.#hold(this.zoomed(factor, event.clientX - box.left, event.clientY - box.top));
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const { clientX: x, clientY: y, pointerId: id } = event;
    this.#pressed = { x, y, view: this.view, id };
    this.#isDragging = false;
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const from = this.#pressed;
    if (!from) return;
    const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
    if (!this.#isDragging) {
      if (Math.hypot(dx, dy) < STILL) return;
      this.#isDragging = true;
      this.surface.setPointerCapture(from.id);
      this.surface.classList.add("nb-dragging");
    }
    this.#hold(this.#kept({ ...from.view, x: from.view.x + dx, y: from.view.y + dy }));
  }

  #release() {
    this.#pressed = null;
    this.surface.classList.remove("nb-dragging");
  }

  /** @param {MouseEvent} event */
  #click(event) {
    if (this.#isDragging) event.stopPropagation();
    this.#isDragging = false;
  }

  /** @param {View} view */
  #hold(view) {
    this.view = view;
    this.isHeld = true;
    this.changed();
  }
}

/**
 * Return an origin with which a stretch is in sight, near to the one before.
 * @param {number} origin
 * @param {number} start
 * @param {number} length
 * @param {number} room
 */
function nearest(origin, start, length, room) {
  const margin = Math.min(24, room / 8);
  if (origin + start < margin) return margin - start;
  if (origin + start + length > room - margin)
    return Math.min(room - margin - length, room - margin) - start;
  return origin;
}
