// Fields: what a parameter is typed into, by its JSON Schema.

import { element, set } from "../elements.js";
import { nameFor } from "./dialogs.js";

/**
 * @typedef {Record<string, any>} Schema
 *
 * @typedef {object} Field
 * @property {string} name
 * @property {HTMLElement} element
 * @property {() => any} read returns its value, or `LEFT` if nothing was typed; may throw
 * @property {(text: string) => void} complain shows what is wrong with it; "" for nothing
 * @property {() => void} focus
 */

/** Stands for a value that was left to its default. */
export const LEFT = Symbol("left");

/**
 * Return a field for a parameter.
 * @param {string} name
 * @param {Schema} schema of the parameter
 * @param {Schema} whole the schema that it is a part of, with definitions
 * @param {object} told
 * @param {any} told.start the value that it has if nothing is typed; undefined for none
 * @param {boolean} told.isRequired
 * @param {string} told.help what is said of it, if the schema says nothing
 * @returns {Field}
 */
export function fieldFor(name, schema, whole, { start, isRequired, help: known }) {
  const plain = resolved(schema, whole);
  const entry = entryFor(plain, start);
  const id = nameFor("field");
  const [helpId, wrongId] = [`${id}-help`, `${id}-wrong`];
  const help = plain.description || known;
  set(entry.input, "id", id);
  set(entry.input, "name", name);
  set(entry.input, "aria-describedby", [help && helpId, wrongId].filter(Boolean).join(" "));
  set(entry.input, "aria-required", isRequired && start === undefined ? "true" : null);
  const wrong = element("span", { class: "wrong", id: wrongId });
  const label = element(
    "label",
    { for: id },
    element("span", { class: "field-name" }, name),
    element("span", { class: "field-kind" }, kindOf(plain, isRequired && start === undefined)),
  );
  const made = element(
    "div",
    { class: `field-group ${entry.isBeside ? "beside" : ""}`.trim() },
    label,
    entry.input,
    help ? element("span", { class: "field-help", id: helpId }, help) : null,
    wrong,
  );
  return {
    name,
    element: made,
    read: () => entry.read(),
    complain: (text) => {
      wrong.textContent = text;
      set(entry.input, "aria-invalid", text ? "true" : null);
    },
    focus: () => entry.input.focus(),
  };
}

/**
 * Return a schema without references and without "or null".
 * @param {Schema} schema
 * @param {Schema} whole
 * @returns {Schema}
 */
function resolved(schema, whole) {
  let found = schema ?? {};
  for (let n = 0; n < 20; n += 1) {
    const { $ref, anyOf, allOf, ...rest } = found;
    const options = anyOf ?? allOf;
    if (typeof $ref === "string" && $ref.startsWith("#/$defs/")) {
      found = { ...whole.$defs?.[$ref.slice("#/$defs/".length)], ...rest };
    } else if (Array.isArray(options)) {
      const real = options.filter((option) => option.type !== "null");
      const isNullable = found.isNullable || real.length < options.length;
      if (real.length !== 1) return { ...rest, isNullable };
      found = { ...real[0], ...rest, isNullable };
    } else break;
  }
  if (Array.isArray(found.type)) {
    const types = found.type.filter((type) => type !== "null");
    const isNullable = types.length < found.type.length;
    return { ...found, type: types.length === 1 ? types[0] : undefined, isNullable };
  }
  return found;
}

/**
 * @param {Schema} schema
 * @param {boolean} isRequired
 */
function kindOf(schema, isRequired) {
  const { type, format, items } = schema;
  let kind = format === "date" || format === "date-time" ? format.replace("-", " ") : type;
  if (schema.enum) kind = "choice";
  if (type === "array" && items?.type) kind = `list of ${items.type}`;
  const least = schema.minimum ?? schema.exclusiveMinimum;
  const most = schema.maximum ?? schema.exclusiveMaximum;
  const parts = [kind ?? "any value"];
  if (least !== undefined && most !== undefined) parts.push(`${least} to ${most}`);
  else if (least !== undefined) parts.push(`from ${least}`);
  else if (most !== undefined) parts.push(`up to ${most}`);
  if (isRequired) parts.push("required");
  return parts.join(", ");
}

/**
 * @typedef {object} Entry
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} input
 * @property {() => any} read
 * @property {boolean} [isBeside] whether its label stands beside it
 */

/**
 * @param {Schema} schema
 * @param {any} start
 * @returns {Entry}
 */
function entryFor(schema, start) {
  if (Array.isArray(schema.enum)) return choice(schema.enum, start, schema);
  switch (schema.type) {
    case "boolean":
      return typeof start === "boolean" ? check(start) : choice([true, false], start, schema);
    case "integer":
    case "number":
      return number(schema.type, start);
    case "string":
      if (schema.format === "date") return moment("date", start);
      if (schema.format === "date-time") return moment("datetime-local", start);
      return text(start);
    default:
      return json(start);
  }
}

/**
 * @param {any[]} values
 * @param {any} start
 * @param {Schema} schema
 * @returns {Entry}
 */
function choice(values, start, schema) {
  const all = schema.isNullable && !values.includes(null) ? [null, ...values] : values;
  const place = all.findIndex((value) => JSON.stringify(value) === JSON.stringify(start));
  const input = element(
    "select",
    { class: "field" },
    place < 0 ? element("option", { value: "" }, "Choose…") : null,
    ...all.map((value, n) =>
      element(
        "option",
        { value: n, selected: n === place },
        value === null ? "none" : String(value),
      ),
    ),
  );
  const read = () => {
    if (input.value === "" || Number(input.value) === place) return LEFT;
    return all[Number(input.value)];
  };
  return { input, read };
}

/**
 * @param {boolean} start
 * @returns {Entry}
 */
function check(start) {
  const input = element("input", { type: "checkbox", checked: start });
  return { input, isBeside: true, read: () => (input.checked === start ? LEFT : input.checked) };
}

/**
 * @param {"integer" | "number"} type
 * @param {any} start
 * @returns {Entry}
 */
function number(type, start) {
  const told = start === undefined || start === null ? "" : String(start);
  const inputmode = type === "integer" ? "numeric" : "decimal";
  const input = element("input", {
    class: "field",
    type: "text",
    inputmode,
    value: told,
    autocomplete: "off",
    spellcheck: "false",
  });
  const read = () => {
    const typed = input.value.trim();
    if (typed === told) return LEFT;
    if (typed === "") return null;
    const value = Number(typed.replaceAll("_", ""));
    if (!Number.isFinite(value)) throw new TypeError("It must be a number.");
    if (type === "integer" && !Number.isInteger(value)) {
      throw new TypeError("It must be a whole number.");
    }
    return value;
  };
  return { input, read };
}

/**
 * @param {any} start
 * @returns {Entry}
 */
function text(start) {
  const told = start === undefined || start === null ? "" : String(start);
  const isLong = told.length > 120 || told.includes("\n");
  const input = isLong
    ? element("textarea", { class: "field", rows: 4, spellcheck: "false" })
    : element("input", { class: "field", type: "text", autocomplete: "off", spellcheck: "false" });
  input.value = told;
  return { input, read: () => (input.value === told ? LEFT : input.value) };
}

/**
 * @param {"date" | "datetime-local"} type
 * @param {any} start
 * @returns {Entry}
 */
function moment(type, start) {
  const told = typeof start === "string" ? start.slice(0, type === "date" ? 10 : 19) : "";
  const input = element("input", { class: "field", type, value: told });
  if (type === "datetime-local") set(input, "step", 1);
  const read = () => {
    if (input.value === told) return LEFT;
    // Browsers leave seconds out that are none.
    const isShort = type === "datetime-local" && input.value.length === 16;
    return input.value === "" ? null : `${input.value}${isShort ? ":00" : ""}`;
  };
  return { input, read };
}

/**
 * @param {any} start
 * @returns {Entry}
 */
function json(start) {
  const isNone = start === undefined || start === null;
  const told = isNone ? "" : JSON.stringify(start, null, 2);
  const rows = Math.max(2, Math.min(8, told.split("\n").length));
  const input = element("textarea", {
    class: "field code",
    rows,
    spellcheck: "false",
    placeholder: start === null ? "none" : "JSON",
  });
  input.value = told;
  const read = () => {
    const typed = input.value.trim();
    if (typed === told) return LEFT;
    if (typed === "") return null;
    try {
      return JSON.parse(typed);
    } catch (error) {
      const why = error instanceof Error ? error.message : "";
      throw new TypeError(`It must be JSON, such as ["a", "b"] or {"a": 1}. ${why}`);
    }
  };
  return { input, read };
}
