// Times: how long ago, how long already; they go on by themselves.

import { element, say } from "../elements.js";
import { duration, growing } from "../words.js";
import { now } from "./place.js";

const MINUTE = 60;
const HOUR = 3600;
const DAY = 86_400;

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ");

/** @param {number} number */
const two = (number) => String(number).padStart(2, "0");

/**
 * Return the time of day.
 * @param {number} at
 */
export function timeOfDay(at) {
  const date = new Date(at * 1000);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** @param {number} at */
export function weekday(at) {
  return DAYS[new Date(at * 1000).getDay()];
}

/**
 * Return the day, with the year if it is another than this.
 * @param {number} at
 */
export function dayOf(at) {
  const date = new Date(at * 1000);
  const told = `${MONTHS[date.getMonth()]} ${date.getDate()}`;
  const year = date.getFullYear();
  return year === new Date(now() * 1000).getFullYear() ? told : `${told}, ${year}`;
}

/**
 * Return all of a time, to the second, with its distance from Greenwich.
 * @param {number} at
 */
export function exact(at) {
  const date = new Date(at * 1000);
  const minutes = -date.getTimezoneOffset();
  const [sign, size] = [minutes < 0 ? "-" : "+", Math.abs(minutes)];
  const zone = `${sign}${two(Math.floor(size / 60))}:${two(size % 60)}`;
  return (
    `${DAYS[date.getDay()]} ${date.getFullYear()}-${two(date.getMonth() + 1)}-` +
    `${two(date.getDate())} ${timeOfDay(at)}:${two(date.getSeconds())} (UTC${zone})`
  );
}

/**
 * Return how a time lies from now, in words.
 * @param {number} at
 */
export function relative(at) {
  const passed = now() - at;
  const size = Math.abs(passed);
  if (size < 5) return passed < -1 ? "in a moment" : "just now";
  const told = (/** @type {string} */ words) => (passed > 0 ? `${words} ago` : `in ${words}`);
  if (size < MINUTE) return told(`${Math.floor(size)} s`);
  if (size < HOUR) return told(`${Math.floor(size / MINUTE)} min`);
  if (size < 12 * HOUR) return told(`${Math.floor(size / HOUR)} h`);
  const days = midnights(at);
  if (days === 0) return `today ${timeOfDay(at)}`;
  if (days === 1) return `yesterday ${timeOfDay(at)}`;
  if (days === -1) return `tomorrow ${timeOfDay(at)}`;
  if (Math.abs(days) < 7) return `${DAYS[new Date(at * 1000).getDay()]} ${timeOfDay(at)}`;
  return Math.abs(days) < 300 ? `${dayOf(at)} ${timeOfDay(at)}` : dayOf(at);
}

/**
 * Return how many midnights lie between a time and now.
 * @param {number} at
 */
function midnights(at) {
  const [then, today] = [new Date(at * 1000), new Date(now() * 1000)];
  then.setHours(0, 0, 0, 0);
  today.setHours(0, 0, 0, 0);
  return Math.round((today.getTime() - then.getTime()) / 1000 / DAY);
}

/**
 * Return an element that tells how long ago something was, or is to be.
 * @param {number | null | undefined} at
 * @param {string} [lead] goes before
 */
export function when(at, lead = "") {
  const made = element("time", { class: "time" });
  setWhen(made, at, lead);
  return made;
}

/**
 * @param {HTMLTimeElement} made
 * @param {number | null | undefined} at
 * @param {string} [lead]
 */
export function setWhen(made, at, lead = "") {
  if (at === null || at === undefined) {
    delete made.dataset.at;
    made.removeAttribute("datetime");
    made.removeAttribute("title");
    say(made, "");
    return;
  }
  if (made.dataset.at !== String(at) || made.dataset.lead !== lead) {
    made.dataset.at = String(at);
    made.dataset.lead = lead;
    made.dateTime = new Date(at * 1000).toISOString();
    made.title = exact(at);
  }
  say(made, lead + relative(at));
}

/**
 * Return an element that tells how long something took, or takes so far.
 * @param {number | null | undefined} started
 * @param {number | null | undefined} [ended]
 */
export function lasting(started, ended) {
  const made = element("span", { class: "time" });
  setLasting(made, started, ended);
  return made;
}

/**
 * @param {HTMLElement} made
 * @param {number | null | undefined} started
 * @param {number | null | undefined} ended
 */
export function setLasting(made, started, ended) {
  if (typeof started === "number" && typeof ended !== "number") {
    made.dataset.since = String(started);
    say(made, growing(Math.max(0, now() - started)));
    return;
  }
  delete made.dataset.since;
  const took = typeof started === "number" && typeof ended === "number" ? ended - started : NaN;
  say(made, duration(took));
}

/** Have all times in the page go on, for as long as somebody looks. */
export function keepTime() {
  let turn = 0;
  const tick = () => {
    if (document.hidden) return;
    turn += 1;
    for (const made of document.querySelectorAll("[data-since]")) {
      if (made instanceof HTMLElement) setLasting(made, Number(made.dataset.since), null);
    }
    if (turn % 5) return;
    for (const made of document.querySelectorAll("time[data-at]")) {
      if (made instanceof HTMLTimeElement) {
        say(made, (made.dataset.lead ?? "") + relative(Number(made.dataset.at)));
      }
    }
  };
  window.setInterval(tick, 200);
  document.addEventListener("visibilitychange", tick);
}
