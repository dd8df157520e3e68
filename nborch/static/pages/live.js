// Live: the one stream over which the server tells what has changed.

import { first, to } from "./place.js";

/** A window that is not looked at for so long needs no stream; there are few of them. */
const UNSEEN = 20_000;

/** Between attempts to reach a server that has gone. */
const SOONEST = 500;
const LATEST = 8_000;

/** @typedef {"live" | "lost" | "refused"} Condition */

export class Live {
  /**
   * @param {string[]} topics
   * @param {(condition: Condition) => void} changed
   */
  constructor(topics, changed) {
    this.topics = topics;
    this.changed = changed;
    this.after = first.seq;
    /** @type {Map<string, ((told: any) => void)[]>} */
    this.listeners = new Map();
    document.addEventListener("visibilitychange", () => this.#look());
    // NB. Whoever comes back by the browser's button finds the page as it was left.
    window.addEventListener("pagehide", () => this.#close());
    window.addEventListener("pageshow", (event) => event.persisted && this.#open());
  }

  /** @type {EventSource | null} */
  #source = null;
  #timer = 0;
  #wait = SOONEST;
  #hasBegun = false;

  /**
   * Have a function called with what is told under a name.
   * @param {string} name
   * @param {(told: any) => void} listener
   */
  on(name, listener) {
    const known = this.listeners.get(name);
    if (known) known.push(listener);
    else this.listeners.set(name, [listener]);
    return this;
  }

  /** Begin; all listeners are known by now. */
  begin() {
    this.#hasBegun = true;
    if (this.topics.length) this.#open();
  }

  /**
   * Be told of something more from now on.
   * @param {string} topic
   */
  want(topic) {
    if (this.topics.includes(topic)) return;
    this.topics.push(topic);
    if (!this.#hasBegun || document.hidden) return;
    this.#close();
    this.#open();
  }

  #open() {
    clearTimeout(this.#timer);
    if (this.#source) return;
    const source = new EventSource(
      to("api/stream", { topics: this.topics.join(","), after: this.after }),
    );
    this.#source = source;
    source.onopen = () => {
      this.#wait = SOONEST;
      this.changed("live");
    };
    source.onerror = () => this.#lose(source);
    // What has happened elsewhere moves the place to go on from, too.
    source.addEventListener("here", ({ lastEventId }) => {
      if (lastEventId) this.after = Number(lastEventId);
    });
    for (const [name, listeners] of this.listeners) {
      source.addEventListener(name, (event) => {
        if (event.lastEventId) this.after = Number(event.lastEventId);
        const told = JSON.parse(event.data || "{}");
        for (const listener of listeners) listener(told);
      });
    }
  }

  #close() {
    clearTimeout(this.#timer);
    this.#source?.close();
    this.#source = null;
  }

  /**
   * Try again until the server is there; what has happened meanwhile is told then.
   * @param {EventSource} source
   */
  #lose(source) {
    if (source !== this.#source) return;
    this.changed("lost");
    this.#close();
    this.#timer = window.setTimeout(() => this.#retry(), this.#wait);
    this.#wait = Math.min(LATEST, this.#wait * 1.6);
  }

  async #retry() {
    // A stream does not tell why it was refused.
    const status = await fetch(to("api/version"), { credentials: "same-origin" }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 401 || status === 403) this.changed("refused");
    else if (!this.#source) this.#open();
  }

  #look() {
    clearTimeout(this.#timer);
    if (!document.hidden) this.#open();
    else this.#timer = window.setTimeout(() => this.#close(), UNSEEN);
  }
}
