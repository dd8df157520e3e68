// The run graph in the page of a run: the same as in notebooks, over the stream.

import { element } from "../elements.js";
import { mount } from "../graph.js";
import { ask, part } from "./api.js";

/**
 * @typedef {import("../protocol.js").Connection} Connection
 * @typedef {import("../protocol.js").Message} Message
 * @typedef {import("../protocol.js").Request} Request
 * @typedef {import("../protocol.js").Snapshot} Snapshot
 * @typedef {import("../toolbar.js").ViewName} ViewName
 */

/** Hands on between the stream and the graph, and asks the API for what it wants. */
class RunConnection {
  /**
   * @param {string} run
   * @param {() => void} logWanted called when somebody looks into a node
   */
  constructor(run, logWanted) {
    this.path = `runs/${part(run)}`;
    this.logWanted = logWanted;
    /** @type {Snapshot | null} */
    this.snapshot = null;
    /** @type {Set<(message: Message) => void>} */
    this.callbacks = new Set();
    /** Nodes that have written since their log was asked for. */
    this.written = new Set();
  }

  /** @param {(message: Message) => void} callback */
  onMessage(callback) {
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }

  /** @param {Message} message */
  deliver(message) {
    for (const callback of this.callbacks) callback(message);
  }

  /** @param {Request} message */
  send(message) {
    this.#answer(message).catch(() => {
      // The stream tells that the server has gone; then there is nothing to add.
    });
  }

  /** @param {Request} message */
  async #answer(message) {
    switch (message.op) {
      case "sync":
        this.deliver(await ask(`${this.path}/graph`));
        break;
      case "detail": {
        const { id } = message;
        this.logWanted();
        this.written.delete(id);
        this.deliver({ type: "detail", id, detail: await ask(`${this.path}/nodes/${part(id)}`) });
        break;
      }
      case "log": {
        const { id, after } = message;
        // NB. The graph asks all the time, as a widget does; nothing is asked of the
        // server unless it has told that there is more.
        if (!this.written.delete(id)) return;
        const told = await ask(`${this.path}/nodes/${part(id)}/log`, { after });
        this.deliver({ type: "log", id, ...told });
        break;
      }
      default:
    }
  }
}

export class RunGraph {
  /**
   * @param {string} run
   * @param {() => void} logWanted
   */
  constructor(run, logWanted) {
    this.connection = new RunConnection(run, logWanted);
    this.element = element("div", { class: "graph-place" });
  }

  /** @type {ReturnType<typeof mount> | null} */
  #graph = null;
  /** What has come before the graph was looked at. @type {Message[]} */
  #messages = [];

  /** @param {Message} message */
  take(message) {
    if (this.#graph) {
      this.connection.deliver(message);
      return;
    }
    if (message.type === "snapshot") this.#messages = [];
    this.#messages.push(message);
  }

  /** @param {string[]} nodes those that have written to the log */
  noteWritten(nodes) {
    for (const node of nodes) this.connection.written.add(node);
  }

  /** @param {ViewName} view */
  show(view) {
    if (!this.#graph) {
      this.#graph = mount(this.element, this.connection, { isPage: true });
      for (const message of this.#messages.splice(0)) this.connection.deliver(message);
    }
    this.#graph.show(view);
    return this.element;
  }
}
