// The theme, before anything is painted. NB. Not a module: those come after the paint.

(() => {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  /** @param {string | null} name */
  const known = (name) => (name === "light" || name === "dark" ? name : null);

  // A panel says in its address how the page around looks; links within do not repeat it.
  /** @type {string | null} */
  let told = known(new URLSearchParams(location.search).get("theme"));
  try {
    if (told) sessionStorage.setItem("nborch-theme", told);
    else told = known(sessionStorage.getItem("nborch-theme"));
  } catch {
    // A browser may keep nothing.
  }

  const chosen = () => {
    try {
      return known(localStorage.getItem("nborch-theme"));
    } catch {
      return null;
    }
  };
  const paint = () => {
    const theme = told ?? chosen() ?? (system.matches ? "dark" : "light");
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    document.dispatchEvent(new CustomEvent("nborch-theme"));
  };
  paint();
  system.addEventListener("change", paint);
  window.addEventListener("storage", paint);
  window.addEventListener("message", ({ source, origin, data }) => {
    if (source !== window.parent || origin !== location.origin) return;
    told = known(data?.nborchTheme) ?? told;
    paint();
  });
  document.addEventListener("nborch-turn", () => {
    const turned = root.dataset.theme === "dark" ? "light" : "dark";
    told = null;
    try {
      sessionStorage.removeItem("nborch-theme");
      localStorage.setItem("nborch-theme", turned);
    } catch {
      told = turned;
    }
    paint();
  });
})();
