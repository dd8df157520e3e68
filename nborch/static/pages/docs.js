// Docs: what a docstring says of a flow, and of each of its parameters.

/** A heading of a docstring in the style of NumPy: a line, and dashes below. */
const HEADING = /^(\w[\w ]*)\n-{3,}[ \t]*$/m;

/**
 * Return what a flow is for, without what is said of its parameters.
 * @param {string | null} description
 */
export function purposeOf(description) {
  const text = description ?? "";
  const found = HEADING.exec(text);
  return (found ? text.slice(0, found.index) : text).trim();
}

/**
 * Return what is said of each parameter.
 * @param {string | null} description
 * @returns {Record<string, string>}
 */
export function helpOf(description) {
  /** @type {Record<string, string>} */
  const help = {};
  const [, rest = ""] = (description ?? "").split(/^Parameters\n-{3,}[ \t]*$/m);
  const [part] = rest.split(HEADING);
  let name = "";
  for (const line of part.split("\n")) {
    const named = /^(\w+)(\s*:.*)?$/.exec(line);
    if (named) name = named[1];
    else if (name && line.trim()) help[name] = `${help[name] ?? ""} ${line.trim()}`.trim();
  }
  return help;
}
