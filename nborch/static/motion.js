// Motion: smooth changes, for those who like the page to move.

/** Whether the user has asked for less of it. */
export function isCalm() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** One change at a time, from where things are to where they go. */
export class Motion {
  #frame = 0;

  /** @type {((share: number) => void) | null} */
  #step = null;

  /**
   * Call with shares from 0 to 1 until the time is over; at once where no motion is wished.
   * @param {number} milliseconds
   * @param {(share: number) => void} step
   */
  run(milliseconds, step) {
    this.stop();
    if (milliseconds <= 0 || isCalm() || document.hidden) {
      step(1);
      return;
    }
    const begun = performance.now();
    this.#step = step;
    /** @param {number} now */
    const frame = (now) => {
      const share = Math.min(1, Math.max(0, (now - begun) / milliseconds));
      // It starts fast and ends softly.
      step(1 - (1 - share) ** 3);
      if (share < 1) this.#frame = requestAnimationFrame(frame);
      else this.#step = null;
    };
    this.#frame = requestAnimationFrame(frame);
  }

  get isRunning() {
    return this.#step !== null;
  }

  /** Go to the end of what is going on. */
  finish() {
    const step = this.#step;
    this.stop();
    step?.(1);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#step = null;
  }
}
