// Dialogs: questions before something happens, and notices after it.

import { element, say, set } from "../elements.js";
import { Refused } from "./api.js";
import { button } from "./pieces.js";
import { sign } from "./signs.js";

/**
 * @typedef {import("../elements.js").Child} Child
 */

const NOTICE_STAYS = 6_000;

let names = 0;

/** @param {string} word */
export function nameFor(word) {
  names += 1;
  return `${word}-${names}`;
}

/**
 * Ask something in a dialog, which is closed when the act has gone well.
 * @param {object} told
 * @param {string} told.title
 * @param {Child[]} told.content
 * @param {string} told.label of the button that acts
 * @param {() => Promise<unknown>} told.act may throw what is shown, and stays open
 * @param {string} [told.keep] of the button that does nothing
 * @param {boolean} [told.isDanger]
 * @param {boolean} [told.isWide]
 * @param {(problem: Refused) => boolean} [told.refused] tells whether it has shown it itself
 * @returns {HTMLDialogElement}
 */
export function openDialog({ title, content, label, act, keep, isDanger, isWide, refused }) {
  const id = nameFor("dialog");
  const go = button(label, { kind: isDanger ? "danger" : "main" });
  const cancel = button(keep ?? "Cancel", { act: () => dialog.close() });
  set(go, "type", "submit");
  const wrong = element("p", { class: "wrong", role: "alert" });
  const close = button("Close", {
    sign: "close",
    kind: "quiet",
    isBare: true,
    act: () => dialog.close(),
  });
  const form = element(
    "form",
    { method: "dialog", novalidate: true },
    element("header", {}, element("h2", { id }, title), close),
    element("div", { class: "dialog-content" }, ...content),
    wrong,
    element("footer", {}, cancel, go),
  );
  const dialog = element(
    "dialog",
    { class: isWide ? "dialog wide" : "dialog", "aria-labelledby": id },
    form,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    say(wrong, "");
    set(go, "disabled", true);
    try {
      await act();
      dialog.close();
    } catch (error) {
      if (!(error instanceof Refused && refused?.(error))) say(wrong, messageOf(error));
    } finally {
      set(go, "disabled", false);
    }
  });
  // A click beside it closes it; one that only ends there, such as a selection, does not.
  let isBeside = false;
  dialog.addEventListener("pointerdown", (event) => {
    isBeside = event.target === dialog;
  });
  dialog.addEventListener("click", (event) => {
    if (isBeside && event.target === dialog) dialog.close();
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  const begin = form.querySelector(".dialog-content :is(input, select, textarea)");
  if (begin instanceof HTMLElement) begin.focus();
  else (isDanger ? cancel : go).focus();
  return dialog;
}

/** @param {unknown} error */
export function messageOf(error) {
  if (error instanceof Refused) return error.message;
  // NB. Not swallowed: it is a fault of ours, and belongs into the console, too.
  console.error(error);
  return "Something went wrong in this page. Reload it, and try again.";
}

const notices = element("div", { class: "notices", role: "status" });

/**
 * Say for a moment what has happened.
 * @param {string} text
 * @param {object} [more]
 * @param {boolean} [more.isWrong]
 * @param {[label: string, href: string]} [more.link]
 */
export function notify(text, more = {}) {
  if (!notices.isConnected) document.body.append(notices);
  const link = more.link && element("a", { href: more.link[1] }, more.link[0]);
  const made = element(
    "div",
    { class: "notice", "data-wrong": Boolean(more.isWrong) },
    sign(more.isWrong ? "close" : "check"),
    element("span", {}, text),
    link,
  );
  notices.append(made);
  while (notices.childElementCount > 3) notices.firstElementChild?.remove();
  window.setTimeout(() => made.remove(), more.isWrong ? 2 * NOTICE_STAYS : NOTICE_STAYS);
}

/**
 * Have a button act once at a time; what goes wrong is told.
 * @param {HTMLButtonElement} made
 * @param {() => Promise<unknown>} act
 */
export function acts(made, act) {
  made.addEventListener("click", async () => {
    set(made, "aria-busy", "true");
    made.disabled = true;
    try {
      await act();
    } catch (error) {
      notify(messageOf(error), { isWrong: true });
    } finally {
      made.disabled = false;
      set(made, "aria-busy", null);
    }
  });
  return made;
}
