// Links: where the page of a run is.

/** @typedef {import("./protocol.js").Run} Run */

/** @type {{baseUrl?: string, nborchHome?: string} | undefined} */
let around;

/** Return what Jupyter says of itself in a page of its own. */
function jupyter() {
  if (around) return around;
  const told = document.getElementById("jupyter-config-data")?.textContent;
  try {
    around = JSON.parse(told || "{}");
  } catch {
    around = {};
  }
  return around ?? {};
}

/**
 * Return the address of a run's page: in the Jupyter that shows its graph, if that has
 * pages for the home of the run, else where Python says that it is.
 * @param {Run} run
 * @returns {string | null}
 */
export function pageOf(run) {
  const { baseUrl, nborchHome } = jupyter();
  if (run.home && run.home === nborchHome)
    return `${baseUrl ?? "/"}nborch/runs/${encodeURIComponent(run.id)}`;
  return run.link ?? null;
}
