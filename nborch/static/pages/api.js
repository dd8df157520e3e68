// The API: questions to the server, and changes.

import { first, to } from "./place.js";

/**
 * @typedef {Parameters<typeof to>[1]} Query
 */

/** What the server has refused, in its words. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {Record<string, any>} told a problem of RFC 9457
   */
  constructor(status, told) {
    super(String(told.detail || told.title || `The server answered ${status}.`));
    this.status = status;
    this.told = told;
  }
}

/**
 * Return what the server answers to a question.
 * @param {string} path below the API
 * @param {Query} [query]
 * @param {AbortSignal} [signal] takes the question back
 * @returns {Promise<any>}
 */
export function ask(path, query, signal) {
  return answer(to(`api/${path}`, query), { signal });
}

/**
 * Have the server change something, and return what it answers.
 * @param {"POST" | "PUT" | "PATCH" | "DELETE"} method
 * @param {string} path below the API
 * @param {Record<string, any>} [body]
 * @returns {Promise<any>}
 */
export function tell(method, path, body) {
  /** @type {Record<string, string>} */
  const headers = { "X-XSRFToken": first.xsrf };
  if (method !== "DELETE") headers["Content-Type"] = "application/json";
  const sent = method === "DELETE" ? undefined : JSON.stringify(body ?? {});
  return answer(to(`api/${path}`), { method, headers, body: sent });
}

/**
 * @param {string} address
 * @param {RequestInit} options
 */
async function answer(address, options) {
  const response = await fetch(address, { credentials: "same-origin", ...options }).catch(
    (error) => {
      if (error.name === "AbortError") throw error;
      throw new Refused(0, { detail: "The server cannot be reached. Is it still running?" });
    },
  );
  const text = await response.text();
  const told = text ? parsed(text) : {};
  if (response.ok) return told;
  throw new Refused(response.status, told);
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}

/**
 * Return a name as a part of a path.
 * @param {string} name
 */
export function part(name) {
  return encodeURIComponent(name);
}

/** @param {unknown} error */
export function wasTakenBack(error) {
  return error instanceof Error && error.name === "AbortError";
}
