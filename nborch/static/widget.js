// The widget: the run graph in a notebook, over the channel of ipywidgets.

import { mount } from "./graph.js";

/**
 * What anywidget gives for the widget in Python.
 * @typedef {object} WidgetModel
 * @property {(name: string) => any} get
 * @property {(content: any) => void} send
 * @property {(name: string, callback: (...told: any[]) => void) => void} on
 * @property {(name: string, callback: (...told: any[]) => void) => void} off
 *
 * @typedef {import("./protocol.js").Connection} Connection
 */

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
  /** @type {Connection} */
  const connection = {
    snapshot: model.get("snapshot") || null,
    send: (message) => model.send(message),
    onMessage: (callback) => {
      /** @param {any} message */
      const custom = (message) => callback(message);
      // The snapshot is sent once more at the end, and when the page comes back.
      const changed = () => {
        const snapshot = model.get("snapshot");
        if (snapshot) callback(snapshot);
      };
      model.on("msg:custom", custom);
      model.on("change:snapshot", changed);
      return () => {
        model.off("msg:custom", custom);
        model.off("change:snapshot", changed);
      };
    },
  };
  const place = document.createElement("div");
  const graph = mount(place, connection, model.get("options") || {});
  return { place, el: place, isSeen: false, graph };
}

export default { render };
