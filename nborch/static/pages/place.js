// The place: what the server has told of this page, and addresses from here.

/**
 * What comes with a page, so that nothing waits for a second request.
 * @typedef {object} First
 * @property {string} page which of the pages it is
 * @property {string} xsrf what changes are sent with
 * @property {number} seq how far the store was when the data was read
 * @property {number} now the server's clock, in seconds since 1970
 * @property {string} version
 * @property {Record<string, any>} data
 */

const root = document.documentElement;

/** Below what all addresses lie; it ends with a slash. */
const BASE = root.dataset.base ?? "/";

/** @type {First} */
export const first = JSON.parse(document.getElementById("first")?.textContent || "{}");

/** How far the server's clock is ahead of the browser's, in seconds. */
const AHEAD = first.now ? first.now - Date.now() / 1000 : 0;

/** The time now by the server's clock, in seconds since 1970. */
export function now() {
  return Date.now() / 1000 + AHEAD;
}

/**
 * Return the address of a page or of a part of the API.
 * @param {string} path without a slash at the beginning
 * @param {Record<string, string | number | string[] | null | undefined>} [query]
 */
export function to(path, query = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") words.append(name, String(each));
    }
  }
  const asked = words.toString();
  return `${BASE}${path}${asked ? `?${asked}` : ""}`;
}

/**
 * Return the address of a page about one thing.
 * @param {"runs" | "deployments" | "work-pools"} kind
 * @param {string} name
 */
export function toOne(kind, name) {
  return to(`${kind}/${encodeURIComponent(name)}`);
}

/** What is asked for in the address of this page. */
export function asked() {
  return new URLSearchParams(location.search);
}

/**
 * Put what is asked for into the address, so that it survives a reload.
 * @param {URLSearchParams} words
 */
export function rewrite(words) {
  const text = words.toString();
  const address = `${location.pathname}${text ? `?${text}` : ""}${location.hash}`;
  history.replaceState(history.state, "", address);
}
