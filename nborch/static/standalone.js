// Standing alone: a graph in a page without Python, which has what was kept with it.

/**
 * @typedef {import("./protocol.js").Connection} Connection
 * @typedef {import("./protocol.js").Detail} Detail
 * @typedef {import("./protocol.js").Message} Message
 * @typedef {import("./protocol.js").Request} Request
 * @typedef {import("./protocol.js").Snapshot} Snapshot
 *
 * @typedef {object} Kept what a notebook holds of a graph
 * @property {Snapshot} snapshot
 * @property {Record<string, Detail>} [details] of some of the runs, by their ids
 */

/** How long the details of a run are waited for. */
const SOON = 1_500;

/**
 * Return a connection that answers with what was kept.
 * @param {Kept} kept
 * @returns {Connection}
 */
export function connectionTo(kept) {
  const { snapshot, details = {} } = kept;
  /** @type {Set<(message: Message) => void>} */
  const callbacks = new Set();
  /** @param {string} id */
  const detailOf = (id) => {
    const known = Object.hasOwn(details, id) ? details[id] : null;
    const isWhole = known && !known.more_log;
    return { ...(known ?? {}), id, remark: isWhole ? null : elsewhere(snapshot) };
  };
  return {
    snapshot,
    send: (message) => {
      if (message.op !== "detail") return;
      const { id } = message;
      for (const callback of callbacks) callback({ type: "detail", id, detail: detailOf(id) });
    },
    onMessage: (callback) => {
      callbacks.add(callback);
      return () => callbacks.delete(callback);
    },
  };
}

/**
 * Return a connection to a Python that may have gone: details that it does not tell
 * soon are those that were kept.
 * @param {Connection} live
 * @param {() => Kept} kept
 * @returns {Connection}
 */
export function backed(live, kept) {
  /** @type {Map<string, number>} */
  const asked = new Map();
  /** @type {(message: Message) => void} */
  let deliver = () => {};
  /** @param {string} id */
  const giveUp = (id) => {
    asked.delete(id);
    const known = kept().details ?? {};
    if (Object.hasOwn(known, id)) deliver({ type: "detail", id, detail: known[id] });
  };
  return {
    snapshot: live.snapshot,
    send: (message) => {
      live.send(message);
      if (message.op !== "detail") return;
      clearTimeout(asked.get(message.id));
      asked.set(message.id, window.setTimeout(giveUp, SOON, message.id));
    },
    onMessage: (callback) => {
      deliver = callback;
      const end = live.onMessage((message) => {
        if (message.type === "detail") {
          clearTimeout(asked.get(message.id));
          asked.delete(message.id);
        }
        callback(message);
      });
      return () => {
        for (const timer of asked.values()) clearTimeout(timer);
        asked.clear();
        if (end) end();
      };
    },
  };
}

/**
 * Return what tells where there is more.
 * @param {Snapshot} snapshot
 */
function elsewhere({ view, run }) {
  const command = view === "cells" ? "%nborch graph" : `%nborch graph ${run.name}`;
  return `There is no more of it in this notebook. Where it has run, see: ${command}`;
}
