// Numbering: the runs of a graph by numbers, which are faster to follow than names.

/** @typedef {import("./protocol.js").RunNode} RunNode */

export class Numbering {
  /** @param {Map<string, RunNode>} nodes */
  constructor(nodes) {
    /** The runs, each at its number. */
    this.runs = [...nodes.values()];
    this.count = this.runs.length;
    /** @type {Map<string, number>} */
    this.numbers = new Map();
    let most = 0;
    for (let run = 0; run < this.count; run += 1) {
      this.numbers.set(this.runs[run].id, run);
      most += this.runs[run].upstream.length;
    }
    /** What each depends on, as far as known: from where its own begin to the next one's. */
    this.starts = new Int32Array(this.count + 1);
    this.upstream = new Int32Array(most);
    this.#resolve();
    /** What each is within, or -1. */
    this.parents = new Int32Array(this.count).fill(-1);
    /**
     * Those within each that has some, in the order in which they came to be.
     * @type {Map<number, number[]>}
     */
    this.within = new Map();
    /** Those within no other. */
    this.top = this.#nest();
  }

  #resolve() {
    const { runs, numbers, starts, upstream } = this;
    let length = 0;
    for (let run = 0; run < runs.length; run += 1) {
      const ids = runs[run].upstream;
      for (let n = 0; n < ids.length; n += 1) {
        const number = numbers.get(ids[n]);
        if (number === undefined) continue;
        upstream[length] = number;
        length += 1;
      }
      starts[run + 1] = length;
    }
  }

  #nest() {
    const { runs, numbers, parents, within } = this;
    for (let run = 0; run < runs.length; run += 1) {
      const { parent } = runs[run];
      if (parent !== null) parents[run] = numbers.get(parent) ?? -1;
    }
    /** @type {number[]} */
    const top = [];
    this.#ordered().forEach((run) => {
      const others = this.#isRooted(run) ? within.get(parents[run]) : top;
      if (others) others.push(run);
      else within.set(parents[run], [run]);
    });
    return top;
  }

  #ordered() {
    const { runs } = this;
    const all = runs.map((_, run) => run);
    const isSorted = all.every((run) => run === 0 || runs[run - 1].order <= runs[run].order);
    return isSorted ? all : all.sort((a, b) => runs[a].order - runs[b].order);
  }

  /**
   * Tell whether a run's parents are known, and lead out of it.
   * @param {number} run
   */
  #isRooted(run) {
    const { parents } = this;
    if (parents[run] < 0) return false;
    let steps = 0;
    for (let parent = parents[run]; parent >= 0; parent = parents[parent]) {
      if (parent === run || steps > this.count) return false;
      steps += 1;
    }
    return true;
  }
}
