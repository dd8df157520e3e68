// The theme: light or dark, as the page around is.

/**
 * Return whether the page around is light or dark: JupyterLab and Notebook say so, and
 * so does VS Code; elsewhere the system is asked.
 * @returns {"light" | "dark"}
 */
export function themeAround() {
  const { body } = document;
  const lab = body.getAttribute("data-jp-theme-light");
  if (lab !== null) return lab === "false" ? "dark" : "light";
  const code = body.getAttribute("data-vscode-theme-kind");
  if (code !== null) return code.includes("dark") ? "dark" : "light";
  return window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/**
 * Call when the page around may have changed between light and dark.
 * @param {() => void} changed
 * @returns {() => void} ends it
 */
export function watchTheme(changed) {
  const observer = new MutationObserver(changed);
  const attributeFilter = ["data-jp-theme-light", "data-vscode-theme-kind"];
  observer.observe(document.body, { attributes: true, attributeFilter });
  const query = window.matchMedia("(prefers-color-scheme: dark)");
  query.addEventListener("change", changed);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", changed);
  };
}
