// Outputs: the graph in place of the picture that a notebook holds of it.

import { mount } from "./graph.js";
import { backed, connectionTo } from "./standalone.js";

/**
 * What anywidget gives for the widget in Python.
 * @typedef {object} WidgetModel
 * @property {(name: string) => any} get
 * @property {(content: any) => void} send
 * @property {(name: string, callback: (...told: any[]) => void) => void} on
 * @property {(name: string, callback: (...told: any[]) => void) => void} off
 *
 * @typedef {import("./protocol.js").Connection} Connection
 * @typedef {import("./standalone.js").Kept} Kept
 */

/** How long a widget is waited for until the graph stands alone. */
const TO_WAIT = 600;

/** Graphs that are not in the page, as of cells out of sight: so many are kept. */
const MOST_LEFT = 30;

/**
 * The widgets in the page by their names.
 * @type {Map<string, WidgetModel>}
 */
const widgets = new Map();

/**
 * The numbers of the last messages that widgets have sent, if graphs have missed any.
 * @type {WeakMap<WidgetModel, number>}
 */
const newest = new WeakMap();

/**
 * The graphs in the page, those that came last at the end.
 * @type {Set<Output>}
 */
const outputs = new Set();

/**
 * Return what a graph needs to talk to its widget in Python.
 * @param {WidgetModel} model
 * @returns {Connection}
 */
export function connectionOf(model) {
  return {
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
}

/**
 * Take a widget that has come into being: graphs that wait for it go live.
 * @param {WidgetModel} model
 * @returns {() => void} what forgets it
 */
export function welcome(model) {
  const name = String(model.get("name") || "");
  widgets.set(name, model);
  model.on("msg:custom", (message) => newest.set(model, message?.seq ?? newest.get(model)));
  for (const output of outputs) {
    if (output.name === name) output.goLive(model);
  }
  const forget = () => {
    if (widgets.get(name) !== model) return;
    widgets.delete(name);
    for (const output of outputs) {
      if (output.name === name) output.loseWidget();
    }
  };
  // It is told once: when the kernel has gone, or is another one.
  model.on("comm_live_update", forget);
  return forget;
}

/**
 * Put a graph in the places of this mark.
 *
 * An output that is brought up to date is another place in the page: a graph whose
 * place has gone goes on in the new one, with what one has opened, zoomed or typed.
 * @param {string} mark
 * @param {string} name of the widget, "" if there never was one
 * @param {Kept} kept what it shows without one
 */
export function stand(mark, name, kept) {
  for (const place of document.querySelectorAll(`[data-nborch="${mark}"]`)) {
    if (!(place instanceof HTMLElement) || place.dataset.taken) continue;
    place.dataset.taken = "true";
    const left = [...outputs].find((one) => one.name === name && one.isLive && !one.isInPage);
    const output = left ?? new Output(name, kept);
    output.kept = kept;
    outputs.delete(output);
    outputs.add(output);
    output.moveTo(place);
    const model = widgets.get(name);
    if (!output.isLive && model) output.goLive(model);
  }
  const gone = [...outputs].filter((one) => !one.isInPage);
  for (const output of gone.slice(0, Math.max(0, gone.length - MOST_LEFT))) {
    output.end();
    outputs.delete(output);
  }
}

class Output {
  /**
   * @param {string} name
   * @param {Kept} kept
   */
  constructor(name, kept) {
    this.name = name;
    this.kept = kept;
    this.host = document.createElement("div");
    this.isLive = false;
    this.#timer = window.setTimeout(() => this.#standAlone(), name ? TO_WAIT : 0);
  }

  /** @type {{destroy: () => void} | null} */
  #graph = null;
  #timer = 0;

  get isInPage() {
    return this.host.isConnected;
  }

  /** @param {HTMLElement} place */
  moveTo(place) {
    place.append(this.host);
    if (this.#graph) this.#hidePicture();
  }

  /** @param {WidgetModel} model */
  goLive(model) {
    this.end();
    this.isLive = true;
    const connection = connectionOf(model);
    this.#graph = mount(this.host, backed(connection, () => this.kept));
    this.#hidePicture();
    const last = newest.get(model) ?? -1;
    if (connection.snapshot && connection.snapshot.seq < last) model.send({ op: "sync" });
  }

  loseWidget() {
    this.end();
    this.isLive = false;
    this.#timer = window.setTimeout(() => this.#standAlone(), 0);
  }

  #standAlone() {
    if (this.#graph) return;
    this.#graph = mount(this.host, connectionTo(this.kept), { isKept: true });
    this.#hidePicture();
  }

  #hidePicture() {
    // JupyterLab has a look for lists, tables and headings in what cells show.
    this.host.closest(".jp-RenderedHTMLCommon")?.classList.remove("jp-RenderedHTMLCommon");
    for (const child of this.host.parentElement?.children ?? []) {
      if (child instanceof HTMLElement && child !== this.host) child.style.display = "none";
    }
  }

  end() {
    clearTimeout(this.#timer);
    this.#graph?.destroy();
    this.#graph = null;
  }
}
