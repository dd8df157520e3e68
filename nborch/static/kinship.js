// Kinship: which runs may be drawn as one.

/** @typedef {import("./numbering.js").Numbering} Numbering */

/**
 * A number for the kind of each run: those of a kind may be drawn as one.
 *
 * They are runs of one task side by side, after runs that may be drawn as one, too. So
 * a map over the results of a map is two items. No circle comes of it: what a run is
 * after has been numbered before it.
 */
export class Kinship {
  /** @param {Numbering} numbering */
  constructor(numbering) {
    this.numbering = numbering;
    /** The kind of each, or -1 as long as it is not known. */
    this.of = new Int32Array(numbering.count).fill(-1);
    /**
     * How many there are of each kind.
     * @type {number[]}
     */
    this.sizes = [];
    this.#name();
    for (let run = 0; run < numbering.count; run += 1) {
      // Most come after all that they depend on.
      if (this.of[run] < 0) {
        if (this.#isReady(run)) this.#number(run);
        else this.#follow(run);
      }
    }
  }

  /** A number for the task of each, or -1 if none is of the same. */
  #tasks = new Int32Array(0);

  /**
   * The kinds that others may be of, by what makes them.
   * @type {Map<string, number>}
   */
  #known = new Map();

  /** @type {Set<number>} */
  #begun = new Set();

  #name() {
    const { runs, count } = this.numbering;
    /** @type {Map<string, number>} */
    const first = new Map();
    this.#tasks = new Int32Array(count).fill(-1);
    for (let run = 0; run < count; run += 1) {
      const { of } = runs[run];
      const other = first.get(of);
      if (other === undefined) first.set(of, run);
      else this.#tasks[run] = this.#tasks[other] = other;
    }
  }

  /** @param {number} run */
  #isReady(run) {
    const { starts, upstream } = this.numbering;
    for (let n = starts[run]; n < starts[run + 1]; n += 1) {
      if (this.of[upstream[n]] < 0) return false;
    }
    return true;
  }

  /**
   * Number a run after all that it depends on.
   * @param {number} run
   */
  #follow(run) {
    const { starts, upstream } = this.numbering;
    const waiting = [run];
    while (waiting.length) {
      const next = waiting[waiting.length - 1];
      const { length } = waiting;
      if (!this.#begun.has(next)) {
        this.#begun.add(next);
        for (let n = starts[next]; n < starts[next + 1]; n += 1) {
          const before = upstream[n];
          if (this.of[before] < 0 && !this.#begun.has(before)) waiting.push(before);
        }
        if (waiting.length > length) continue;
      }
      waiting.pop();
      if (this.of[next] < 0) this.#number(next);
    }
  }

  /** @param {number} run */
  #number(run) {
    const isAlone = this.#tasks[run] < 0 || this.numbering.runs[run].kind === "cell";
    let kind = this.sizes.length;
    if (!isAlone) {
      const key = this.#keyOf(run);
      kind = this.#known.get(key) ?? kind;
      this.#known.set(key, kind);
    }
    this.of[run] = kind;
    this.sizes[kind] = (this.sizes[kind] ?? 0) + 1;
  }

  /** @param {number} run */
  #keyOf(run) {
    const { runs, starts, upstream } = this.numbering;
    /** @type {number[]} */
    const after = [];
    for (let n = starts[run]; n < starts[run + 1]; n += 1) {
      const kind = this.of[upstream[n]];
      if (kind >= 0) after.push(kind);
    }
    const kinds = after.length > 1 ? [...new Set(after)].sort((a, b) => a - b) : after;
    const { parent, kind } = runs[run];
    return `${kinds.join()}|${this.#tasks[run]}|${kind}|${parent}`;
  }
}
