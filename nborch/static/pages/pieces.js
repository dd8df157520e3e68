// Pieces: what pages are made of.

import { element, set } from "../elements.js";
import { badge } from "../icons.js";
import { lookOf } from "../states.js";
import { oneLine } from "../words.js";
import { first } from "./place.js";
import { sign } from "./signs.js";

/**
 * @typedef {import("../elements.js").Child} Child
 * @typedef {import("../elements.js").Setting} Setting
 * @typedef {import("../protocol.js").State} State
 * @typedef {import("./signs.js").Sign} Sign
 */

/**
 * Return a button.
 * @param {string} label
 * @param {object} [look]
 * @param {Sign} [look.sign]
 * @param {"plain" | "main" | "danger" | "quiet"} [look.kind]
 * @param {() => void} [look.act]
 * @param {string} [look.title]
 * @param {boolean} [look.isBare] whether only the sign is seen
 * @param {boolean} [look.changes] whether it is not for who may look only
 */
export function button(label, look = {}) {
  const { kind = "plain", act, title, isBare, changes } = look;
  return element(
    "button",
    {
      type: "button",
      class: `button ${kind}${isBare ? " bare" : ""}`,
      title: title ?? (isBare ? label : null),
      "aria-label": isBare ? label : null,
      hidden: changes && first.looks,
      click: act,
    },
    look.sign && sign(look.sign),
    isBare ? null : element("span", {}, label),
  );
}

/**
 * Return a link that looks like a button.
 * @param {string} label
 * @param {string} href
 * @param {object} [look]
 * @param {Sign} [look.sign]
 * @param {"plain" | "main" | "quiet"} [look.kind]
 */
export function linkButton(label, href, look = {}) {
  return element(
    "a",
    { class: `button ${look.kind ?? "plain"}`, href },
    look.sign && sign(look.sign),
    element("span", {}, label),
  );
}

/**
 * Return a state as a sign and a word on its colour.
 * @param {State} state
 */
export function pill(state) {
  const made = element("span", { class: "pill" });
  setPill(made, state);
  return made;
}

/**
 * @param {HTMLElement} made
 * @param {State} state
 */
export function setPill(made, state) {
  const { type, name, message } = state;
  set(made, "title", oneLine(message, 500) || null);
  const told = `${type}|${name}`;
  if (made.dataset.told === told) return;
  set(made, "data-told", told);
  set(made, "data-type", type);
  made.replaceChildren(badge(type, name), element("span", {}, name || lookOf(type).label));
}

/**
 * Return the sign of a state, which says what it means to who cannot see it.
 * @param {State} state
 */
export function stateSign(state) {
  const made = element("span", { class: "state-sign" });
  setStateSign(made, state);
  return made;
}

/**
 * @param {HTMLElement} made
 * @param {State} state
 */
export function setStateSign(made, state) {
  const { type, name, message } = state;
  const label = name || lookOf(type).label;
  set(made, "title", [label, oneLine(message, 300)].filter(Boolean).join(": "));
  const told = `${type}|${name}`;
  if (made.dataset.told === told) return;
  set(made, "data-told", told);
  set(made, "data-type", type);
  made.replaceChildren(badge(type, name), element("span", { class: "unseen" }, label));
}

/**
 * Return a command that can be copied.
 * @param {string} text
 */
export function command(text) {
  const copy = button("Copy the command", { sign: "copy", kind: "quiet", isBare: true });
  copy.addEventListener("click", async () => {
    const isCopied = await copied(text);
    if (!isCopied) return;
    copy.replaceChildren(sign("check"));
    set(copy, "aria-label", "Copied");
    window.setTimeout(() => {
      copy.replaceChildren(sign("copy"));
      set(copy, "aria-label", "Copy the command");
    }, 1_600);
  });
  return element("div", { class: "command" }, element("code", {}, text), copy);
}

/** @param {string} text */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not in a page that is served without encryption, but for this machine itself.
    const field = element("textarea", { class: "unseen", "aria-hidden": "true" });
    field.value = text;
    (document.querySelector("dialog[open]") ?? document.body).append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    return isCopied;
  }
}

/**
 * Return what stands where there is nothing yet.
 * @param {object} told
 * @param {Sign} told.sign
 * @param {string} told.title
 * @param {string} told.text
 * @param {string[]} [told.commands]
 * @param {HTMLElement[]} [told.actions]
 */
export function empty({ sign: name, title, text, commands = [], actions = [] }) {
  return element(
    "div",
    { class: "empty" },
    element("span", { class: "empty-sign" }, sign(name)),
    element("h2", {}, title),
    element("p", {}, text),
    ...commands.map(command),
    actions.length > 0 && element("div", { class: "row" }, ...actions),
  );
}

/**
 * Return a part of a page with its heading.
 * @param {string} title
 * @param {(Child)[]} children
 * @param {object} [more]
 * @param {Child} [more.aside] stands at the end of the heading
 * @param {string} [more.kind]
 */
export function section(title, children, more = {}) {
  return element(
    "section",
    { class: `part ${more.kind ?? ""}`.trim(), "aria-label": title },
    element("header", { class: "part-head" }, element("h2", {}, title), more.aside),
    ...children,
  );
}

/**
 * Return labels with what they are about, side by side.
 * @param {[string, Child][]} rows what is null or empty is left out
 */
export function facts(rows) {
  const list = element("dl", { class: "facts" });
  for (const [label, value] of rows) {
    if (!value) continue;
    list.append(element("div", {}, element("dt", {}, label), element("dd", {}, value)));
  }
  return list;
}

/**
 * Return tags.
 * @param {string[]} tags
 * @param {(tag: string) => string | null} [address]
 */
export function tagList(tags, address) {
  return element(
    "span",
    { class: "tags" },
    ...tags.slice(0, 12).map((tag) => {
      const href = address?.(tag);
      const text = oneLine(tag, 60);
      return href
        ? element("a", { class: "tag", href }, text)
        : element("span", { class: "tag" }, text);
    }),
  );
}

/**
 * Return a bar that is filled in part.
 * @param {number} value
 * @param {number} most
 * @param {string} label what it tells, for who does not see it
 */
export function meter(value, most, label) {
  const fill = element("span");
  const made = element("span", { class: "meter", role: "img", "aria-label": label }, fill);
  const share = most > 0 ? Math.min(1, value / most) : 0;
  fill.style.width = `${share * 100}%`;
  set(made, "data-full", share >= 1);
  return made;
}

/**
 * Return a bar that tells how large something is beside others; their numbers stand by.
 * @param {number} value
 * @param {number} most
 */
export function share(value, most) {
  const fill = element("span");
  fill.style.width = `${most > 0 ? Math.min(100, (value / most) * 100) : 0}%`;
  return element("span", { class: "meter", "aria-hidden": "true" }, fill);
}

/**
 * Return how many bytes something takes.
 * @param {number} bytes
 */
export function size(bytes) {
  const units = ["bytes", "kB", "MB", "GB", "TB"];
  let [value, n] = [bytes, 0];
  while (value >= 999.5 && n < units.length - 1) [value, n] = [value / 1000, n + 1];
  return `${n && value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[n]}`;
}
