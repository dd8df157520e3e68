// The widget: the run graph in a notebook, over the channel of ipywidgets.

import { mount } from "./graph.js";
import { connectionOf, stand, welcome } from "./outputs.js";

/** @typedef {import("./outputs.js").WidgetModel} WidgetModel */

/**
 * A graph in the page, and the view that it is in.
 * @typedef {object} Shown
 * @property {HTMLElement} place
 * @property {HTMLElement} el
 * @property {boolean} isSeen whether the view has been in the page
 * @property {{destroy: () => void}} graph
 */

/**
 * The graphs of the page by the names of their widgets.
 * @type {Map<string, Set<Shown>>}
 */
const shown = new Map();

/**
 * Show the graph, or go on with one whose view has gone from the page.
 *
 * JupyterLab makes a new view of a widget when its output is brought up to date, as at
 * the end of a run, and drops the old one from the page without a word: what one has
 * opened, zoomed or typed is to stay.
 * @param {{model: WidgetModel, el: HTMLElement}} widget
 * @returns {() => void}
 */
function render({ model, el }) {
  const name = String(model.get("name") || "");
  const known = shown.get(name) ?? new Set();
  shown.set(name, known);
  const isLeft = (/** @type {Shown} */ each) => each.isSeen && !each.el.parentNode;
  const left = name ? [...known].find(isLeft) : undefined;
  const current = left ?? begin(model);
  current.el = el;
  current.isSeen = false;
  known.add(current);
  el.append(current.place);
  requestAnimationFrame(() => {
    current.isSeen ||= el.isConnected;
  });
  return () => {
    if (current.el !== el) return;
    known.delete(current);
    if (!known.size) shown.delete(name);
    current.graph.destroy();
  };
}

/**
 * @param {WidgetModel} model
 * @returns {Shown}
 */
function begin(model) {
  const place = document.createElement("div");
  const graph = mount(place, connectionOf(model), model.get("options") || {});
  return { place, el: place, isSeen: false, graph };
}

/**
 * Tell the outputs that wait for a widget; it need not have a view of its own.
 * @param {{model: WidgetModel}} widget
 */
function initialize({ model }) {
  return welcome(model);
}

export default { initialize, render, stand };
