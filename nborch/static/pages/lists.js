// Lists: going from one thing to the next with the keyboard.

/**
 * Let j and k go along the links of a list.
 * @param {import("./keys.js").Keys} keys
 * @param {HTMLElement} place
 * @param {string} one what it is a list of
 */
export function addListKeys(keys, place, one) {
  /** @param {number} step */
  const move = (step) => {
    const links = [...place.querySelectorAll(".main-link")];
    if (!links.length) return false;
    const { activeElement } = document;
    const at = links.findIndex((link) => link === activeElement);
    const within = links.findIndex((link) => link.closest("[data-id]")?.contains(activeElement));
    const from = at < 0 ? within : at;
    const next = links[from < 0 ? 0 : Math.max(0, Math.min(links.length - 1, from + step))];
    if (next instanceof HTMLElement) next.focus();
    return true;
  };
  keys.add("j", `Next ${one}`, () => move(1));
  keys.add("k", `Previous ${one}`, () => move(-1));
  keys.add("Enter", `Open the ${one}`, () => false);
}

/**
 * Draw a place anew; what had the focus has it again.
 * @param {HTMLElement} place
 * @param {...Node} made
 */
export function redraw(place, ...made) {
  const { activeElement } = document;
  const isWithin = activeElement !== null && place.contains(activeElement);
  const label = isWithin ? nameOf(activeElement) : "";
  place.replaceChildren(...made);
  if (!label) return;
  for (const each of place.querySelectorAll("a, button, input, [tabindex]")) {
    if (each instanceof HTMLElement && nameOf(each) === label) {
      each.focus({ preventScroll: true });
      return;
    }
  }
}

/** @param {Element} made */
function nameOf(made) {
  const words = made.getAttribute("href") ?? made.getAttribute("aria-label") ?? made.textContent;
  const id = made.closest("[data-id]")?.getAttribute("data-id") ?? "";
  return `${made.tagName}|${id}|${words}`;
}
