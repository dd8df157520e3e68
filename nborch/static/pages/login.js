// The pages for who is not let in, and for what is not there.

import { element, say, set } from "../elements.js";
import { button, empty, linkButton } from "./pieces.js";
import { first, to } from "./place.js";
import { mark } from "./signs.js";

/** Show the form that asks for the token or the password. */
export function showLogin() {
  const wrong = element("p", { class: "wrong", role: "alert", id: "wrong" }, first.data.why);
  const secret = element("input", {
    class: "field",
    id: "secret",
    type: "password",
    autocomplete: "current-password",
    required: true,
    "aria-describedby": "wrong",
  });
  const go = button("Sign in", { kind: "main" });
  set(go, "type", "submit");
  const form = element(
    "form",
    { class: "login" },
    mark(),
    element("h1", {}, "Sign in to nborch"),
    element("label", { for: "secret" }, "Token or password"),
    secret,
    wrong,
    go,
    element(
      "p",
      { class: "quiet" },
      "The token stands in the address that nborch server start has printed.",
    ),
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    set(go, "disabled", true);
    const why = await signIn(secret.value);
    set(go, "disabled", false);
    say(wrong, why);
    secret.select();
  });
  document.body.prepend(element("main", { class: "alone" }, form));
  secret.focus();
}

/**
 * Return why it did not work; if it did, another page is shown.
 * @param {string} secret
 */
async function signIn(secret) {
  // Back to the page that was asked for, below the base of all addresses.
  const isLogin = location.pathname === to("login");
  const next = isLogin ? "" : location.pathname.slice(to("").length);
  const response = await fetch(to("login", { next }), {
    method: "POST",
    credentials: "same-origin",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ secret }),
  }).catch(() => null);
  if (!response) return "The server cannot be reached. Is it still running?";
  const told = await response.json().catch(() => ({}));
  if (!response.ok) return String(told.detail ?? "That is not right. Try again.");
  if (isLogin) location.assign(told.next ?? to(""));
  else location.reload();
  return "";
}

/** @param {import("./shell.js").Shell} shell */
export function showMissing(shell) {
  const { status, detail } = first.data;
  const isMissing = status === 404;
  shell.head(isMissing ? "Not found" : "That did not work");
  shell.main.append(
    empty({
      sign: "search",
      title: isMissing ? "There is nothing here" : `The server answered ${status}`,
      text: String(detail ?? ""),
      actions: [linkButton("All runs", to(""))],
    }),
  );
}
