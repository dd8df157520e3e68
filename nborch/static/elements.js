// Elements: making and changing parts of the page. Text is always set as text.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Setting
 * @typedef {Node | string | null | undefined | false} Child
 */

/**
 * Make an HTML element. Settings that are functions listen to the event of their name.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Setting>} [settings]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, settings = {}, ...children) {
  return filled(document.createElement(tag), settings, children);
}

/**
 * Make an SVG element.
 * @template {keyof SVGElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, Setting>} [settings]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[Tag]}
 */
export function shape(tag, settings = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), settings, children);
}

/**
 * @template {Element} Made
 * @param {Made} made
 * @param {Record<string, Setting>} settings
 * @param {Child[]} children
 * @returns {Made}
 */
function filled(made, settings, children) {
  // NB. On whatever takes the keys itself: JupyterLab looks no further, and its shortcuts
  // for single keys would delete cells.
  if ("tabindex" in settings || made.matches("button, a, input")) {
    made.setAttribute("data-lm-suppress-shortcuts", "true");
  }
  for (const [name, value] of Object.entries(settings)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else set(made, name, value);
  }
  for (const child of children) {
    if (child) made.append(child);
  }
  return made;
}

/**
 * Set an attribute if it is another than before; null and false take it away.
 * @param {Element} made
 * @param {string} name
 * @param {string | number | boolean | null | undefined} value
 */
export function set(made, name, value) {
  if (value === null || value === undefined || value === false) {
    if (made.hasAttribute(name)) made.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (name === "style") restyle(/** @type {HTMLElement} */ (made), text);
  else if (made.getAttribute(name) !== text) made.setAttribute(name, text);
}

/** @type {WeakMap<Element, string>} */
const styles = new WeakMap();

/**
 * @param {HTMLElement} made
 * @param {string} text
 */
function restyle(made, text) {
  if (styles.get(made) === text) return;
  styles.set(made, text);
  // NB. Not as an attribute: pages whose policy allows none would refuse it.
  made.style.cssText = text;
}

/**
 * Set the text of an element if it is another than before.
 * @param {Element} made
 * @param {string} text
 */
export function say(made, text) {
  if (made.textContent !== text) made.textContent = text;
}

/** @type {CanvasRenderingContext2D | null} */
let ruler = null;

/** @type {Map<string, number>} */
const widths = new Map();

/**
 * Return how wide a text is drawn, without asking the page to lay itself out.
 * @param {string} text
 * @param {string} font
 */
export function widthOf(text, font) {
  const key = `${font}|${text}`;
  const known = widths.get(key);
  if (known !== undefined) return known;
  ruler ??= document.createElement("canvas").getContext("2d");
  if (ruler && ruler.font !== font) ruler.font = font;
  const width = ruler ? ruler.measureText(text).width : text.length * 7;
  // Names change all the time in a notebook that stays open for weeks.
  if (widths.size > 20_000) widths.clear();
  widths.set(key, width);
  return width;
}

/**
 * Return a text cut so that it is at most so wide.
 * @param {string} text
 * @param {string} font
 * @param {number} width
 */
export function fitting(text, font, width) {
  if (widthOf(text, font) <= width) return text;
  const letters = Array.from(text);
  let [low, high] = [0, letters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    const cut = `${letters.slice(0, middle).join("")}…`;
    if (widthOf(cut, font) <= width) low = middle;
    else high = middle - 1;
  }
  return `${letters.slice(0, low).join("").trimEnd()}…`;
}
