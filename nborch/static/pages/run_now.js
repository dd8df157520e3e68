// Run now: a dialog with a field for each parameter of a deployment.

import { element } from "../elements.js";
import { counted, oneLine } from "../words.js";
import { part, tell } from "./api.js";
import { nameFor, notify, openDialog } from "./dialogs.js";
import { helpOf } from "./docs.js";
import { fieldFor, LEFT } from "./fields.js";
import { toOne } from "./place.js";
import { timeOfDay } from "./times.js";

/**
 * @typedef {import("./fields.js").Field} Field
 * @typedef {import("./run_row.js").RunSummary} RunSummary
 *
 * @typedef {object} Schedule
 * @property {string} id
 * @property {string} words
 * @property {boolean} active
 * @property {string | null} paused_because
 * @property {number[]} next
 * @property {Record<string, any>} policy
 * @property {Record<string, any>} parameters
 *
 * @typedef {object} Deployment see nborch/control/forms.py
 * @property {string} id
 * @property {string} name
 * @property {string} full_name
 * @property {string} flow
 * @property {string | null} description
 * @property {string} entrypoint
 * @property {Record<string, any>} parameters
 * @property {Record<string, any>} parameter_schema
 * @property {string | null} work_pool
 * @property {boolean} paused
 * @property {string | null} version
 * @property {string[]} tags
 * @property {number} priority
 * @property {number | null} concurrency_limit
 * @property {Schedule[]} schedules
 * @property {RunSummary[]} last
 * @property {number | null} updated
 */

/**
 * Ask for the parameters of a run, and make it.
 * @param {Deployment} deployment
 */
export function runNow(deployment) {
  const fields = fieldsOf(deployment);
  const name = plainField("Name of the run", "text", "made up if left empty");
  const at = plainField("Begin", "datetime-local", "at once if left empty");
  const more = element(
    "details",
    { class: "more" },
    element("summary", {}, "Name and time"),
    name.element,
    at.element,
  );
  openDialog({
    title: `Run ${oneLine(deployment.full_name, 80)}`,
    label: "Run",
    isWide: fields.length > 3,
    content: [
      fields.length === 0 && element("p", { class: "quiet" }, "It takes no parameters."),
      ...fields.map((field) => field.element),
      more,
    ],
    act: async () => {
      const parameters = valuesOf(fields);
      /** @type {Record<string, any>} */
      const body = { parameters };
      if (name.input.value.trim()) body.name = name.input.value.trim();
      if (at.input.value) body.at = new Date(at.input.value).getTime() / 1000;
      const run = await tell("POST", `deployments/${part(deployment.id)}/runs`, body);
      const begins = body.at ? ` begins at ${timeOfDay(body.at)}` : " waits for a worker";
      const link = /** @type {[string, string]} */ (["Open", toOne("runs", run.id)]);
      notify(`${oneLine(run.name, 60)}${begins}.`, { link });
    },
    refused: (problem) => complain(fields, problem.told.errors),
  });
}

/** @param {Deployment} deployment */
function fieldsOf({ description, parameters, parameter_schema: schema }) {
  const required = new Set(schema.required ?? []);
  const help = helpOf(description);
  return Object.entries(schema.properties ?? {}).map(([name, about]) => {
    const start = Object.hasOwn(parameters, name) ? parameters[name] : about?.default;
    const told = { start, isRequired: required.has(name), help: help[name] ?? "" };
    return fieldFor(name, about, schema, told);
  });
}

/**
 * Return what was typed; what was left as it is stays the deployment's.
 * @param {Field[]} fields
 */
function valuesOf(fields) {
  /** @type {Record<string, any>} */
  const values = {};
  /** @type {Field[]} */
  const wrong = [];
  for (const field of fields) {
    field.complain("");
    try {
      const value = field.read();
      if (value !== LEFT) values[field.name] = value;
    } catch (error) {
      field.complain(error instanceof Error ? error.message : "");
      wrong.push(field);
    }
  }
  if (wrong.length) {
    wrong[0].focus();
    throw new Incomplete(wrong.length);
  }
  return values;
}

class Incomplete extends Error {
  /** @param {number} count */
  constructor(count) {
    super(`${counted(count, "value")} cannot be taken as they are.`);
  }
}

/**
 * Show beside the fields what the server has against them.
 * @param {Field[]} fields
 * @param {{name: string, detail: string}[] | undefined} errors
 */
function complain(fields, errors) {
  if (!Array.isArray(errors)) return false;
  let isShown = false;
  for (const { name, detail } of errors) {
    const field = fields.find((each) => each.name === name);
    if (!field) return false;
    field.complain(detail);
    if (!isShown) field.focus();
    isShown = true;
  }
  return isShown;
}

/**
 * Return a field that is no parameter.
 * @param {string} label
 * @param {string} type
 * @param {string} help
 * @param {string} [value]
 */
export function plainField(label, type, help, value = "") {
  const id = nameFor("field");
  const input = element("input", {
    class: "field",
    id,
    type,
    value,
    autocomplete: "off",
    spellcheck: "false",
  });
  if (type === "number") input.min = "0";
  const made = element(
    "div",
    { class: "field-group" },
    element(
      "label",
      { for: id },
      element("span", { class: "field-name plain" }, label),
      element("span", { class: "field-kind" }, help),
    ),
    input,
  );
  return { element: made, input };
}
