// Wires: the arrows between cards, as soft curves.

import { set, shape } from "./elements.js";

/**
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {import("./placing.js").Edge} Edge
 * @typedef {import("./placing.js").Point} Point
 * @typedef {import("./placing.js").Scene} Scene
 * @typedef {import("./far.js").Part} Part
 * @typedef {(item: Item) => {x: number, y: number}} Where
 */

/** More lines at once are drawn only where a card is pointed at. */
const MOST = 1_500;

export class Wires {
  constructor() {
    this.element = shape("g", { class: "nb-wires", "aria-hidden": "true" });
    /** @type {Map<string, {path: SVGPathElement, edge: Edge}>} */
    this.drawn = new Map();
  }

  /** Take away lines that lead nowhere in a new scene. */
  reset() {
    this.isNew = true;
  }

  isNew = true;

  /**
   * Draw the lines that can be seen.
   * @param {Scene} scene
   * @param {Part} seen
   * @param {Where} where cards are now
   * @param {string} lit the item whose lines stand out
   */
  draw(scene, seen, where, lit) {
    /** @type {Set<string>} */
    const kept = new Set();
    for (const edge of scene.edges) {
      if (kept.size >= MOST) break;
      if (!crosses(edge, seen)) continue;
      kept.add(edge.id);
      this.#trace(edge, where);
    }
    for (const [id, { path }] of this.drawn) {
      if (kept.has(id)) continue;
      path.remove();
      this.drawn.delete(id);
    }
    this.recolour();
    this.highlight(lit);
  }

  /**
   * @param {Edge} edge
   * @param {Where} where
   */
  #trace(edge, where) {
    let wire = this.drawn.get(edge.id);
    if (!wire) {
      wire = { path: shape("path", { class: "nb-wire" }), edge };
      this.drawn.set(edge.id, wire);
      this.element.append(wire.path);
    }
    wire.edge = edge;
    set(wire.path, "d", curve(moved(edge, where)));
  }

  /** Show which ways have been gone. */
  recolour() {
    for (const { path, edge } of this.drawn.values()) {
      const { type } = edge.to.node.state;
      const isAhead = edge.to.kind !== "many" && (type === "PENDING" || type === "SCHEDULED");
      path.classList.toggle("nb-ahead", isAhead);
      path.classList.toggle("nb-flowing", edge.to.kind !== "many" && type === "RUNNING");
    }
  }

  /**
   * Let the lines of an item stand out.
   * @param {string} id
   */
  highlight(id) {
    for (const { path, edge } of this.drawn.values()) {
      const isLit = id !== "" && (edge.from.id === id || edge.to.id === id);
      if (isLit && !path.classList.contains("nb-lit")) this.element.append(path);
      path.classList.toggle("nb-lit", isLit);
    }
  }
}

/**
 * Return the points of a line whose cards may still be on their way.
 * @param {Edge} edge
 * @param {Where} where
 * @returns {Point[]}
 */
function moved({ from, to, points }, where) {
  const [start, end] = [where(from), where(to)];
  const last = points.length - 1;
  return points.map(([x, y], n) => {
    if (n === 0) return [x + start.x - from.x, y + start.y - from.y];
    if (n === last) return [x + end.x - to.x, y + end.y - to.y];
    return [x, y];
  });
}

/**
 * Return a path from left to right: level at each point, soft between.
 * @param {Point[]} points
 */
export function curve(points) {
  const [[x, y], ...others] = points;
  let path = `M${x.toFixed(1)} ${y.toFixed(1)}`;
  let [fromX, fromY] = [x, y];
  for (const [toX, toY] of others) {
    if (Math.abs(toY - fromY) < 0.5) path += `L${toX.toFixed(1)} ${toY.toFixed(1)}`;
    else {
      const bend = Math.max(16, Math.abs(toX - fromX) / 2);
      path += `C${(fromX + bend).toFixed(1)} ${fromY.toFixed(1)} `;
      path += `${(toX - bend).toFixed(1)} ${toY.toFixed(1)} ${toX.toFixed(1)} ${toY.toFixed(1)}`;
    }
    [fromX, fromY] = [toX, toY];
  }
  return path;
}

/**
 * @param {Edge} edge
 * @param {Part} part
 */
function crosses(edge, part) {
  const { from, to } = edge;
  if (to.x < part.left || from.x + from.width > part.right) return false;
  let [top, bottom] = [Infinity, -Infinity];
  for (const [, y] of edge.points) {
    top = Math.min(top, y);
    bottom = Math.max(bottom, y);
  }
  return bottom >= part.top && top <= part.bottom;
}
