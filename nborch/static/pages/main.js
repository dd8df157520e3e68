// The entry: shows the page that the server has named.

import { showCache } from "./cache.js";
import { showDeployment } from "./deployment.js";
import { showDeployments } from "./deployments.js";
import { showLimits } from "./limits.js";
import { showLogin, showMissing } from "./login.js";
import { first } from "./place.js";
import { showPool } from "./pool.js";
import { showPools } from "./pools.js";
import { showRun } from "./run.js";
import { showRuns } from "./runs.js";
import { showSettings } from "./settings.js";
import { Shell } from "./shell.js";
import { keepTime } from "./times.js";

/** @type {Record<string, (shell: Shell) => void>} */
const PAGES = {
  runs: showRuns,
  run: showRun,
  deployments: showDeployments,
  deployment: showDeployment,
  "work-pools": showPools,
  "work-pool": showPool,
  "concurrency-limits": showLimits,
  cache: showCache,
  settings: showSettings,
};

if (first.page === "login") showLogin();
else {
  const shell = new Shell();
  (PAGES[first.page] ?? showMissing)(shell);
  keepTime();
}
document.documentElement.dataset.ready = "true";
