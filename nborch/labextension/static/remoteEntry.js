// The extension of JupyterLab and Notebook 7: the pages of nborch in a panel.
//
// It is written by hand in the form that JupyterLab loads, a container with what other
// containers share: nothing is built, and what it uses is JupyterLab's own.

(() => {
  /** @typedef {Record<string, {get: () => Promise<() => any>, loaded?: number}>} Versions */

  /** @type {Record<string, Versions>} */
  let shared = {};

  /**
   * Return a module that JupyterLab has loaded, or would.
   * @param {string} name
   */
  async function load(name) {
    const versions = Object.values(shared[name] ?? {});
    const found = versions.find((each) => each.loaded) ?? versions[0];
    if (!found) throw new Error(`nborch: this JupyterLab has no ${name}.`);
    return (await found.get())();
  }

  const ICON = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 16 16">
    <g class="jp-icon3" fill="#616161">
      <circle cx="3" cy="8" r="2"/><circle cx="12.5" cy="3.5" r="2"/>
      <circle cx="12.5" cy="12.5" r="2"/>
      <path d="M4.4 6.6 10.5 3.5l.6 1.2-6 3zM5.1 8.3l6 3-.6 1.2-6.1-3.1z"/>
    </g></svg>`;

  /** Return how JupyterLab looks now. */
  function theme() {
    return document.body.dataset.jpThemeLight === "false" ? "dark" : "light";
  }

  async function plugin() {
    const [widgets, apputils, application, components, coreutils] = await Promise.all(
      ["@lumino/widgets", "@jupyterlab/apputils", "@jupyterlab/application"]
        .concat("@jupyterlab/ui-components", "@jupyterlab/coreutils")
        .map(load),
    );
    const icon = new components.LabIcon({ name: "nborch:runs", svgstr: ICON });
    const base = () => `${coreutils.PageConfig.getBaseUrl()}nborch/`;

    /** A frame with the pages. Nothing is loaded before it is seen. */
    class Pages extends widgets.Widget {
      /** @param {string} id */
      constructor(id) {
        super();
        this.id = id;
        // While something is dragged over it, JupyterLab takes what the mouse does.
        this.addClass("jp-IFrame");
        this.title.icon = icon;
        this.title.caption = "nborch: runs and schedules";
        this.frame = document.createElement("iframe");
        this.frame.title = "nborch";
        this.frame.style.cssText = "width: 100%; height: 100%; border: 0";
        this.node.append(this.frame);
        this.watcher = new MutationObserver(() => this.tell());
      }

      onAfterShow() {
        if (this.frame.src) return;
        this.frame.src = `${base()}?theme=${theme()}`;
        const attributeFilter = ["data-jp-theme-light"];
        this.watcher.observe(document.body, { attributeFilter });
      }

      /** @param {any} message */
      onAfterAttach(message) {
        super.onAfterAttach(message);
        if (this.isVisible) this.onAfterShow();
      }

      onActivateRequest() {
        this.frame.focus();
      }

      /** Let the pages look as what is around them. */
      tell() {
        const told = { nborchTheme: theme() };
        this.frame.contentWindow?.postMessage(told, window.location.origin);
      }

      dispose() {
        this.watcher.disconnect();
        super.dispose();
      }
    }

    return {
      id: "nborch:panel",
      description: "Shows runs, deployments and schedules beside the notebooks.",
      autoStart: true,
      optional: [apputils.ICommandPalette, application.ILayoutRestorer],
      /**
       * @param {any} app
       * @param {any} palette
       * @param {any} restorer
       */
      activate(app, palette, restorer) {
        const open = () => void window.open(base(), "_blank", "noopener");
        /** @param {string} id @param {string} label @param {() => void} execute */
        const command = (id, label, execute) => {
          app.commands.addCommand(id, { label, icon, execute });
          palette?.addItem({ command: id, category: "nborch" });
        };
        command("nborch:open-page", "nborch: Open the page in a browser tab", open);
        if (app.name !== "JupyterLab") {
          // Notebook 7 has one document on a page, and no room beside it.
          command("nborch:show-runs", "nborch: Show runs", open);
          return;
        }
        const panel = new Pages("nborch-panel");
        app.shell.add(panel, "left", { rank: 450 });
        restorer?.add(panel, "nborch-panel");
        command("nborch:show-runs", "nborch: Show runs", () => {
          app.shell.activateById(panel.id);
        });
        let count = 0;
        command("nborch:show-wide", "nborch: Show runs in a wide tab", () => {
          const tab = new Pages(`nborch-tab-${(count += 1)}`);
          tab.title.label = "nborch";
          tab.title.closable = true;
          app.shell.add(tab, "main");
          app.shell.activateById(tab.id);
        });
      },
    };
  }

  const containers = /** @type {any} */ (window);
  containers._JUPYTERLAB = containers._JUPYTERLAB ?? {};
  containers._JUPYTERLAB.nborch = {
    /** @param {Record<string, Versions>} scope */
    init(scope) {
      shared = scope;
    },
    /** @param {string} name */
    async get(name) {
      if (name !== "./extension") throw new Error(`nborch has no ${name}.`);
      const extension = { __esModule: true, default: await plugin() };
      return () => extension;
    },
  };
})();
