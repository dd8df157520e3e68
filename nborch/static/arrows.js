// Arrows: which of the things side by side depend on which, by their numbers. With tens
// of thousands of them a list of pairs would keep the collector busy.

export class Arrows {
  constructor() {
    /** @type {number[]} */
    this.sources = [];
    /** @type {number[]} */
    this.targets = [];
  }

  get length() {
    return this.sources.length;
  }

  /**
   * @param {number} source
   * @param {number} target what depends on it
   */
  add(source, target) {
    this.sources.push(source);
    this.targets.push(target);
  }

  /**
   * Return what depends on a thing.
   * @param {number} source
   */
  from(source) {
    return this.targets.filter((_, n) => this.sources[n] === source);
  }

  /**
   * Return what a thing depends on.
   * @param {number} target
   */
  to(target) {
    return this.sources.filter((_, n) => this.targets[n] === target);
  }
}

/** Of each of many things some others, in one list. */
export class Lists {
  /**
   * @param {number} count how many things there are
   * @param {ArrayLike<number>} owners
   * @param {ArrayLike<number>} others each is put into the list of the owner at its place
   */
  constructor(count, owners, others) {
    /** Where the list of each begins; it ends where the next one begins. */
    this.starts = new Int32Array(count + 1);
    this.all = new Int32Array(owners.length);
    const { starts, all } = this;
    for (let n = 0; n < owners.length; n += 1) starts[owners[n] + 1] += 1;
    for (let thing = 0; thing < count; thing += 1) starts[thing + 1] += starts[thing];
    const ends = starts.slice(0, count);
    for (let n = 0; n < owners.length; n += 1) {
      const owner = owners[n];
      all[ends[owner]] = others[n];
      ends[owner] += 1;
    }
  }

  /**
   * Tell whether the list of a thing is empty.
   * @param {number} thing
   */
  isEmpty(thing) {
    return this.starts[thing] === this.starts[thing + 1];
  }

  /**
   * Return the mean of the numbers of what is in the list of a thing.
   * @param {number} thing
   * @param {ArrayLike<number>} numbers
   */
  mean(thing, numbers) {
    const { all, starts } = this;
    const start = starts[thing];
    const end = starts[thing + 1];
    let total = 0;
    for (let n = start; n < end; n += 1) total += numbers[all[n]];
    return total / (end - start);
  }
}
