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
    window.addEventListener("message", (event) => this.#hear(event));
    document.addEventListener("nborch-theme", () => this.#tell({ theme: theme() }, "theme"));
  }

  /** @type {HTMLIFrameElement | null} */
  #frame = null;
  #isReady = false;
  /** Cells that have changed before the frame could show them. @type {Set<number>} */
  #changed = new Set();
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
      load: () => {
        this.#isReady = true;
        this.#refresh();
      },
    });
    this.#frame = frame;
    this.element.replaceChildren(frame);
  }

  /**
   * Take cells that have changed.
   * @param {{items: {n: number}[], gone?: number[]}} told
   */
  take({ items, gone = [] }) {
    if (!this.#frame) return;
    for (const { n } of items) this.#changed.add(n);
    for (const n of gone) this.#tell({ n }, "gone");
    this.#refresh();
  }

  /** Ask for the cells that have changed, one after the other. */
  async #refresh() {
    if (this.#isAsking || !this.#isReady) return;
    this.#isAsking = true;
    try {
      for (const n of this.#changed) {
        this.#changed.delete(n);
        const { html } = await ask(`${this.path}/cells/${n}`);
        this.#tell({ n, html }, "cell");
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
    if (!frame || source !== frame.contentWindow || data?.nborch !== "height") return;
    const height = Number(data.height);
    if (!Number.isFinite(height)) return;
    frame.style.height = `${Math.max(LOWEST, Math.min(HIGHEST, Math.ceil(height)))}px`;
    set(frame, "data-ready", true);
  }
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
