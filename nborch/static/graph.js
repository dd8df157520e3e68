// The run graph: a live view of a run, in a notebook or on a page of its own.

import { Diagram } from "./diagram.js";
import { Drawer } from "./drawer.js";
import { element, say, set } from "./elements.js";
import { Header } from "./header.js";
import { RunModel } from "./model.js";
import { Table } from "./table.js";
import { themeAround, watchTheme } from "./theme.js";
import { Timeline } from "./timeline.js";
import { Toolbar } from "./toolbar.js";

/**
 * @typedef {import("./protocol.js").Connection} Connection
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Notice} Notice
 * @typedef {import("./protocol.js").Options} Options
 * @typedef {import("./protocol.js").Request} Request
 * @typedef {import("./protocol.js").RunNode} RunNode
 * @typedef {import("./model.js").Change} Change
 * @typedef {import("./toolbar.js").ViewName} ViewName
 */

/** How often the time of what is running goes on. */
const TICK = 200;

/** If a snapshot that was asked for has not come by then, it is asked for again. */
const PATIENCE = 2_000;

const NOTICE_STAYS = 10_000;

/** With fewer runs there is nothing to choose from. */
const FEWEST = 2;

/**
 * Show a run within an element, as its messages come in.
 * @param {HTMLElement} place
 * @param {Connection} connection
 * @param {Options} [options]
 * @returns {{destroy: () => void, show: (view: ViewName) => void}} what takes it away
 *   again, and what turns to another view
 */
export function mount(place, connection, options = {}) {
  const graph = new Graph(place, connection, options);
  return { destroy: () => graph.destroy(), show: (view) => graph.show(view) };
}

class Graph {
  /**
   * @param {HTMLElement} place
   * @param {Connection} connection
   * @param {Options} options
   */
  constructor(place, connection, options) {
    this.connection = connection;
    this.options = options;
    const isKept = Boolean(options.isKept);
    this.canAct = options.canAct !== false && !isKept;
    this.canAsk = this.canAct || isKept;
    this.model = new RunModel(isKept);
    /** @param {Request} message */
    const send = (message) => this.#send(message);
    this.header = new Header(this.model, { send, link: options.link ?? null, canAct: this.canAct });
    this.toolbar = new Toolbar(this.model, {
      view: (view) => this.show(view),
      filter: (filter) => this.#filter(filter),
      found: () => this.#goToFound(),
    });
    /** @type {{graph: Diagram, timeline?: Timeline, table?: Table}} */
    this.views = { graph: new Diagram(this.model, this.#told) };
    /**
     * All that is known of one run; there is none before one was looked at.
     * @type {Drawer | null}
     */
    this.drawer = null;
    this.empty = element("p", { class: "nb-empty" });
    this.notice = element("p", { class: "nb-notice", role: "status", hidden: true });
    this.main = element("div", { class: "nb-main" });
    this.body = element("div", { class: "nb-body" }, this.main);
    this.root = element("section", { class: "nborch", "aria-label": "Run graph" }, this.body);
    this.root.classList.toggle("nb-page", Boolean(options.isPage));
    this.views.graph.stage.isTall = Boolean(options.isPage);
    /** @type {ViewName} */
    this.view = "graph";
    this.#begin(place);
  }

  /** What the views tell. */
  #told = { open: (/** @type {string} */ id) => this.#open(id) };

  /** @type {(() => void)[]} */
  #ends = [];
  #timer = 0;
  #noticeTimer = 0;
  #askedAt = -Infinity;
  #isInSight = true;

  /** How wide the views are. */
  #width = 0;

  /** @param {HTMLElement} place */
  #begin(place) {
    const paint = () => set(this.root, "data-theme", this.options.theme || themeAround());
    paint();
    place.append(this.root);
    // NB. Now, when there is hardly anything in the page to lay out for it.
    this.#measure();
    this.root.prepend(this.header.element, this.toolbar.element, this.notice, this.empty);
    this.main.append(this.views.graph.element);
    this.#ends.push(watchTheme(paint));
    this.root.addEventListener("keydown", (event) => this.#key(event));
    const sizes = new ResizeObserver(() => this.#resize());
    sizes.observe(this.main);
    this.#ends.push(() => sizes.disconnect());
    const sight = new IntersectionObserver((entries) => {
      this.#isInSight = entries.some((entry) => entry.isIntersecting);
    });
    sight.observe(this.root);
    this.#ends.push(() => sight.disconnect());
    this.show("graph");
    const { snapshot } = this.connection;
    if (snapshot) this.#receive(snapshot);
    const end = this.connection.onMessage((message) => this.#receive(message));
    if (end) this.#ends.push(end);
    if (this.model.run === null) {
      this.#update({ all: true, shape: true, nodes: new Set() });
      this.#sync();
    }
    this.#keepTime();
  }

  destroy() {
    clearInterval(this.#timer);
    clearTimeout(this.#noticeTimer);
    for (const end of this.#ends.splice(0)) end();
    for (const view of Object.values(this.views)) view.destroy();
    this.drawer?.destroy();
    this.root.remove();
    this.#isDestroyed = true;
  }

  #isDestroyed = false;

  /** @param {Request} message */
  #send(message) {
    if (this.canAsk) this.connection.send(message);
  }

  #sync() {
    const now = performance.now();
    if (now - this.#askedAt < PATIENCE) return;
    this.#askedAt = now;
    this.#send({ op: "sync" });
  }

  /** @param {Message} message */
  #receive(message) {
    if (this.#isDestroyed || !message) return;
    switch (message.type) {
      case "snapshot":
      case "delta": {
        const change = this.model.apply(message);
        if (change === "gap") this.#sync();
        else if (change) this.#update(change);
        if (message.type === "snapshot") this.#askedAt = -Infinity;
        break;
      }
      case "detail":
        this.drawer?.take(message.id, message.detail);
        break;
      case "log":
        this.drawer?.takeLog(message.id, message.lines ?? [], message.next);
        break;
      case "notice":
        this.#notify(message);
        break;
      default:
      // A later version may tell more than is understood here.
    }
  }

  /** @param {Change} change */
  #update(change) {
    const count = this.model.nodes.size;
    set(this.root, "data-view", this.model.view);
    set(this.root, "data-kept", this.model.isKept);
    this.header.update();
    this.toolbar.update();
    set(this.toolbar.element, "hidden", count < FEWEST);
    set(this.main, "hidden", count === 0);
    set(this.empty, "hidden", count > 0);
    say(this.empty, this.#emptyText());
    this.#viewOf(this.view).update(change);
    // The others look at all when they are shown.
    if (this.view !== "graph") this.views.graph.update(change);
    if (this.drawer?.isOpen) {
      if (this.model.nodes.has(this.drawer.id)) this.drawer.update();
      else this.#close();
    }
    this.#keepTime();
  }

  #emptyText() {
    const { run, view } = this.model;
    if (!run) return "Waiting for the run…";
    if (view === "cells") return "No cell task has run yet. Begin a cell with %%task.";
    return this.model.isLive ? "No task has been called yet." : "This run called no task.";
  }

  /** Have a clock only while something goes on. */
  #keepTime() {
    const { isKept, isLive } = this.model;
    if (isLive || (!isKept && this.#isRunning())) {
      if (!this.#timer) this.#timer = window.setInterval(() => this.#tick(), TICK);
    } else {
      clearInterval(this.#timer);
      this.#timer = 0;
    }
  }

  #isRunning() {
    for (const { state } of this.model.nodes.values()) if (state.type === "RUNNING") return true;
    return false;
  }

  #tick() {
    if (document.hidden || !this.#isInSight) return;
    this.header.tick();
    this.#viewOf(this.view).tick();
    if (this.drawer?.isOpen) this.drawer.tick();
  }

  #measure() {
    this.root.classList.toggle("nb-narrow", this.root.clientWidth < 560);
    this.#width = this.main.clientWidth;
    for (const view of Object.values(this.views)) view.resize(this.#width);
  }

  #resize() {
    const before = this.#width;
    this.#measure();
    if (this.#width > 0 && this.#width !== before) this.#viewOf(this.view).show();
  }

  /**
   * Return a view, which is made when it is first looked at.
   * @param {ViewName} name
   */
  #viewOf(name) {
    const { views } = this;
    const known = views[name];
    if (known) return known;
    const View = name === "table" ? Table : Timeline;
    const made = new View(this.model, this.#told);
    Object.assign(views, { [name]: made });
    this.main.append(made.element);
    return made;
  }

  /** @param {ViewName} name */
  show(name) {
    this.view = name;
    this.toolbar.mark(name);
    const shown = this.#viewOf(name);
    for (const view of Object.values(this.views)) {
      set(view.element, "hidden", view !== shown);
      if (view !== shown) view.hide();
    }
    shown.show();
    shown.setFilter(this.toolbar.filter);
    shown.select(this.drawer?.id ?? "");
  }

  /** @param {((node: RunNode) => boolean) | null} filter */
  #filter(filter) {
    this.#viewOf(this.view).setFilter(filter);
  }

  #goToFound() {
    const { filter } = this.toolbar;
    if (!filter) return;
    for (const node of this.model.nodes.values()) {
      if (filter(node)) {
        this.#viewOf(this.view).reveal(node.id);
        return;
      }
    }
  }

  /** @param {string} id */
  #open(id) {
    if (!this.model.nodes.has(id)) return;
    this.drawer ??= this.#makeDrawer();
    this.drawer.open(id);
    this.root.classList.add("nb-has-drawer");
    this.#viewOf(this.view).select(id);
  }

  #makeDrawer() {
    const drawer = new Drawer(this.model, {
      ...this.#told,
      send: (message) => this.#send(message),
      canAsk: this.canAsk,
      closed: () => this.#close(),
    });
    this.body.append(drawer.element);
    return drawer;
  }

  #close() {
    if (!this.drawer) return;
    const { id } = this.drawer;
    const hadFocus = this.drawer.element.matches(":focus-within");
    this.drawer.close();
    this.root.classList.remove("nb-has-drawer");
    const view = this.#viewOf(this.view);
    view.select("");
    if (hadFocus) view.reveal(id);
  }

  /** @param {Notice} notice */
  #notify({ text, level }) {
    clearTimeout(this.#noticeTimer);
    say(this.notice, String(text).slice(0, 1_000));
    set(this.notice, "data-level", level);
    set(this.notice, "hidden", false);
    this.#noticeTimer = window.setTimeout(() => set(this.notice, "hidden", true), NOTICE_STAYS);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      this.toolbar.search.focus();
      this.toolbar.search.select();
    } else if (event.key === "Escape" && this.drawer?.isOpen) this.#close();
    else if (event.key === "Escape" && this.toolbar.isFiltering) this.toolbar.clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
