// The executed notebook, as it grows: in a frame that can reach nothing of this page.

import { element, set } from "../elements.js";
import { ask, part } from "./api.js";
import { empty } from "./pieces.js";
import { to } from "./place.js";

/** A frame says how high it is; it is not believed beyond this. */
const HIGHEST = 2_000_000;
const LOWEST = 120;

export class RunNotebook {
  /** @param {string} run */
  constructor(run) {
    this.run = run;
    this.path = `runs/${part(run)}`;
    this.element = element("div", { class: "notebook-place" });
    this.none = notYet();
    window.addEventListener("message", (event) => this.#hear(event));
    document.addEventListener("nborch-theme", () => this.#tell({ theme: theme() }, "theme"));
  }

  /** @type {HTMLIFrameElement | null} */
  #frame = null;
  #isReady = false;
  /** What the frame shows, and what the server has. @type {Map<string, unknown>} */
  #shown = new Map();
  /** @type {Map<string, unknown>} */
  #versions = new Map();
  /** @type {string[]} */
  #order = [];
  #isAsking = false;

  show() {
    if (!this.#frame) this.#open();
    return this.element;
  }

  #open() {
    const frame = element("iframe", {
      class: "notebook",
      title: "The executed notebook",
      sandbox: "allow-scripts",
      src: to(`frames/${this.path}/notebook`, { theme: theme() }),
    });
    this.#frame = frame;
    this.#fill();
  }

  /** A notebook that nobody has written to yet is not shown as an empty field. */
  #fill() {
    if (!this.#frame) return;
    if (!this.#frame.isConnected) this.element.replaceChildren(this.#frame, this.none);
    set(this.none, "hidden", this.#order.length > 0 || !this.#hasHeard);
    set(this.#frame, "hidden", !this.none.hidden);
  }

  #hasHeard = false;

  /**
   * Take the cells that there are, with those that have changed.
   * @param {{items: {id: string, version: unknown}[], order: string[]}} told
   */
  take({ items, order }) {
    this.#hasHeard = true;
    for (const { id, version } of items) this.#versions.set(id, version);
    const isMoved = order.join() !== this.#order.join();
    this.#order = order;
    this.#fill();
    if (isMoved && this.#isReady) this.#tell({ changed: [], order }, "cells");
    this.#refresh();
  }

  /** Ask for the cells that have changed, one after the other. */
  async #refresh() {
    if (this.#isAsking || !this.#isReady) return;
    this.#isAsking = true;
    try {
      for (const id of this.#order) {
        const version = this.#versions.get(id);
        if (version === undefined || this.#shown.get(id) === version) continue;
        const cell = await ask(`${this.path}/cells/${part(id)}`);
        this.#shown.set(id, version);
        this.#tell({ changed: [cell], order: this.#order }, "cells");
      }
    } catch {
      // What is missed here comes with the next change, or the next look.
    } finally {
      this.#isAsking = false;
    }
  }

  /**
   * @param {Record<string, unknown>} told
   * @param {string} name
   */
  #tell(told, name) {
    // NB. To anybody: the frame's origin has no name. It is told nothing that it has not.
    this.#frame?.contentWindow?.postMessage({ nborch: name, ...told }, "*");
  }

  /** @param {MessageEvent} event */
  #hear({ source, data }) {
    const frame = this.#frame;
    if (!frame || source !== frame.contentWindow || typeof data !== "object") return;
    if (data?.nborch === "ready" && !this.#isReady) {
      this.#isReady = true;
      this.#shown = new Map(Object.entries(data.versions ?? {}));
      this.#refresh();
    }
    if (data?.nborch !== "height") return;
    const height = Number(data.height);
    if (!Number.isFinite(height)) return;
    frame.style.height = `${Math.max(LOWEST, Math.min(HIGHEST, Math.ceil(height)))}px`;
    set(frame, "data-ready", true);
  }
}

function notYet() {
  return empty({
    sign: "file",
    title: "Nothing to see yet",
    text: "The cells of the executed notebook appear here as they run, if its file can be read here.",
  });
}

/** What stands where a run has no notebook. */
export function noNotebook() {
  return empty({
    sign: "file",
    title: "No notebook",
    text: "This run executes a function. Runs of notebooks show their cells here as they go.",
    commands: ["nborch run notebook.ipynb"],
  });
}

function theme() {
  return document.documentElement.dataset.theme ?? "light";
}
