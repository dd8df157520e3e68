// The frame of an executed notebook: a document that belongs to nobody. It shows the
// cells that it came with, and those of which the page around it tells.

(() => {
  const root = document.documentElement;
  const list = /** @type {HTMLElement} */ (document.getElementById("cells"));
  const told = JSON.parse(document.getElementById("told")?.textContent || "{}");

  /** @type {Map<string, HTMLElement>} */
  const places = new Map();

  /**
   * Put HTML into an element, and run its scripts one after the other.
   * @param {HTMLElement} place
   * @param {string} html
   */
  function fill(place, html) {
    place.innerHTML = html;
    for (const old of place.querySelectorAll("script")) {
      // What is put in as text does not run.
      const script = document.createElement("script");
      for (const { name, value } of old.attributes) script.setAttribute(name, value);
      script.textContent = old.textContent;
      old.replaceWith(script);
    }
  }

  /**
   * Show cells that have changed.
   * @param {{id: string, kind: string, state: string | null, version: string, html: string}[]} cells
   */
  function show(cells) {
    for (const cell of cells) {
      const place = places.get(cell.id) ?? document.createElement("section");
      places.set(cell.id, place);
      place.dataset.kind = cell.kind;
      place.dataset.state = cell.state ?? "";
      fill(place, String(cell.html));
    }
  }

  /**
   * Have the cells stand in this order, and no others.
   * @param {string[]} order
   */
  function arrange(order) {
    const wanted = new Set(order);
    for (const [id, place] of places) {
      if (wanted.has(id)) continue;
      place.remove();
      places.delete(id);
    }
    /** @type {Element | null} */
    let next = list.firstElementChild;
    for (const id of order) {
      const place = places.get(id);
      if (!place) continue;
      // NB. What stands right stays: to move it would begin its outputs anew.
      if (place === next) next = next.nextElementSibling;
      else list.insertBefore(place, next);
    }
  }

  /** @param {MessageEvent} event */
  function hear(event) {
    const message = event.data;
    if (event.source !== window.parent || typeof message !== "object" || !message) return;
    if (message.nborch === "theme") root.dataset.theme = String(message.theme);
    if (message.nborch !== "cells") return;
    show(Array.isArray(message.changed) ? message.changed : []);
    if (Array.isArray(message.order)) arrange(message.order);
  }

  let height = 0;
  function measure() {
    const now = Math.ceil(list.getBoundingClientRect().height);
    if (now === height) return;
    height = now;
    window.parent.postMessage({ nborch: "height", height }, "*");
  }

  window.addEventListener("message", hear);
  show(told.changed ?? []);
  arrange(told.order ?? []);
  new ResizeObserver(measure).observe(list);
  measure();
  const versions = Object.fromEntries((told.changed ?? []).map(({ id, version }) => [id, version]));
  window.parent.postMessage({ nborch: "ready", versions }, "*");
})();
