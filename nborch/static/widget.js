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
 * @param {{model: WidgetModel, el: HTMLElement}} widget
 * @returns {() => void}
 */
function render({ model, el }) {
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
  const options = model.get("options") || {};
  return mount(el, connection, options).destroy;
}

export default { render };
