// The messages between Python and the browser, as types; see nborch/view/model.py.
// Times are seconds since 1970. What is null or empty may be left out.

/**
 * @typedef {object} State
 * @property {string} type one of `LOOKS` in states.js, or one that we do not know yet
 * @property {string} name
 * @property {string | null} [message]
 *
 * @typedef {object} Attempt
 * @property {number} n
 * @property {number | null} started
 * @property {number | null} ended
 * @property {string} type
 * @property {string} name
 *
 * @typedef {object} RunNode
 * @property {string} id
 * @property {string} kind task, flow or cell
 * @property {string} of the task's name
 * @property {string} name the run's name
 * @property {string | null} parent the node of the subflow around it
 * @property {string[]} upstream
 * @property {State} state
 * @property {number} order
 * @property {number | null} created
 * @property {number | null} started
 * @property {number | null} ended
 * @property {Attempt[]} attempts
 * @property {number | null} expected_seconds
 * @property {number | null} saved_seconds
 * @property {string | null} source_run
 * @property {string | null} why
 *
 * @typedef {object} Run
 * @property {string} id
 * @property {string} kind
 * @property {string} of
 * @property {string} name
 * @property {State} state
 * @property {number | null} created
 * @property {number | null} started
 * @property {number | null} ended
 * @property {number | null} expected_seconds
 * @property {Record<string, string>} [parameters]
 * @property {string | null} [link]
 * @property {string | null} [home] what tells its home from others
 * @property {string[]} can
 * @property {string | null} [hint] what is said in place of a button that cannot work
 *
 * @typedef {object} Snapshot
 * @property {"snapshot"} type
 * @property {number} seq
 * @property {number} now
 * @property {"run" | "cells"} view
 * @property {Run} run
 * @property {RunNode[]} nodes
 *
 * @typedef {object} Delta
 * @property {"delta"} type
 * @property {number} seq
 * @property {number} now
 * @property {Run} [run]
 * @property {RunNode[]} [nodes]
 * @property {string[]} [gone]
 *
 * @typedef {object} LogLine
 * @property {number} at
 * @property {string} level
 * @property {string} logger
 * @property {string} message
 *
 * @typedef {object} Value an input or an output
 * @property {string} name
 * @property {string | null} [digest]
 * @property {string | null} [preview]
 *
 * @typedef {object} Happening
 * @property {number} at
 * @property {string} type
 * @property {string} name
 * @property {string | null} [message]
 * @property {number | null} [attempt]
 *
 * @typedef {object} Detail
 * @property {string} id
 * @property {Happening[]} [history]
 * @property {Attempt[]} [attempts]
 * @property {Value[]} [inputs]
 * @property {Value[]} [outputs]
 * @property {string | null} [key]
 * @property {string | null} [source_run]
 * @property {number | null} [saved_seconds]
 * @property {string | null} [why]
 * @property {{type: string, message: string, traceback: string | null} | null} [error]
 * @property {LogLine[]} [log]
 * @property {boolean} [more_log]
 * @property {number} [next] where the log goes on
 * @property {Record<string, string>} [parameters]
 * @property {string[]} [tags]
 * @property {string | null} [code]
 * @property {string | null} [remark] what is not told here
 *
 * @typedef {{type: "detail", id: string, detail: Detail | null}} DetailMessage
 * @typedef {{type: "log", id: string, lines: LogLine[], next: number}} LogMessage
 * @typedef {{type: "notice", text: string, level: "info" | "warning"}} Notice
 * @typedef {Snapshot | Delta | DetailMessage | LogMessage | Notice} Message
 *
 * @typedef {{op: "sync" | "cancel" | "retry"}
 *   | {op: "detail", id: string}
 *   | {op: "log", id: string, after: number}} Request
 *
 * @typedef {object} Connection
 * @property {(message: Request) => void} send
 * @property {(callback: (message: Message) => void) => (() => void) | void} onMessage
 *   may return what ends it
 * @property {Snapshot | null} [snapshot]
 *
 * @typedef {object} Options
 * @property {string | null} [link] the address of the run's page
 * @property {"light" | "dark" | null} [theme] else that of the page around
 * @property {boolean} [canAct] whether there is a Python to ask; true unless told
 * @property {boolean} [isKept] whether it shows what was kept: nothing happens any more
 * @property {boolean} [isPage] whether it is the page's main thing, which says itself
 *   what runs and turns from view to view
 */

export {};
