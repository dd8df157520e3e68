// The beginning of every page: the shell, and in it what the page shows.

import { first } from "./place.js";
import { Shell } from "./shell.js";
import { keepTime } from "./times.js";

/**
 * Show the page that the server has named. Who is to sign in sees nothing around it.
 * @param {(shell?: Shell) => void} show
 */
export function begin(show) {
  if (first.page === "login") show();
  else {
    show(new Shell());
    keepTime();
  }
  document.documentElement.dataset.ready = "true";
}
