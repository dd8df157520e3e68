// Backfill: a dialog that makes the runs which schedules would have made in a time.

import { element, say } from "../elements.js";
import { counted, oneLine } from "../words.js";
import { part, Refused, tell } from "./api.js";
import { notify, openDialog } from "./dialogs.js";
import { now, to } from "./place.js";
import { plainField } from "./run_now.js";

const DAY = 86_400;

/** @param {import("./run_now.js").Deployment} deployment */
export function backfill(deployment) {
  const path = `deployments/${part(deployment.id)}/backfill`;
  const from = plainField("From", "datetime-local", "the first time", localOf(now() - DAY));
  const until = plainField("To", "datetime-local", "before it", localOf(now()));
  const beside = element("input", { type: "checkbox", id: "side-by-side" });
  const told = element("p", { class: "quiet", role: "status" });
  const body = (/** @type {boolean} */ isDry) => ({
    from: secondsOf(from.input.value),
    to: secondsOf(until.input.value),
    side_by_side: beside.checked,
    dry_run: isDry,
  });
  const count = async () => {
    if (!from.input.value || !until.input.value) return;
    try {
      const { times } = await tell("POST", path, body(true));
      say(
        told,
        times ? `That makes ${counted(times, "run")}.` : "No time of a schedule lies there.",
      );
    } catch (error) {
      say(told, error instanceof Refused ? error.message : "");
    }
  };
  for (const { input } of [from, until]) input.addEventListener("change", count);
  openDialog({
    title: `Backfill ${oneLine(deployment.full_name, 80)}`,
    label: "Make the runs",
    content: [
      element("p", { class: "quiet" }, "Makes the runs that its schedules would have made."),
      element("div", { class: "pair" }, from.element, until.element),
      element(
        "div",
        { class: "field-group beside" },
        element("label", { for: "side-by-side" }, "Run them side by side"),
        beside,
      ),
      told,
    ],
    act: async () => {
      if (!from.input.value || !until.input.value) {
        throw new Refused(0, { detail: "Say from when and to when." });
      }
      const { made } = await tell("POST", path, body(false));
      notify(`${counted(made, "run")} made.`, {
        link: ["Show", to("", { deployment: deployment.full_name })],
      });
    },
  });
  count();
}

/** @param {number} at */
function localOf(at) {
  const date = new Date(at * 1000 - new Date(at * 1000).getTimezoneOffset() * 60_000);
  return date.toISOString().slice(0, 16);
}

/** @param {string} text */
function secondsOf(text) {
  return new Date(text).getTime() / 1000;
}
