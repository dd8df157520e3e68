// Later: what is asked for again when it has changed, but not at every change.

/**
 * Return a function that has another one called soon, and again at most so often.
 * @param {number} milliseconds
 * @param {() => Promise<unknown>} act
 */
export function later(milliseconds, act) {
  let timer = 0;
  let last = -Infinity;
  let isBusy = false;
  let isWanted = false;
  const go = async () => {
    timer = 0;
    last = performance.now();
    isBusy = true;
    isWanted = false;
    // A server that has gone is told of by the stream; then all is asked for again.
    await act().catch(() => {});
    isBusy = false;
    if (isWanted) want();
  };
  const want = () => {
    isWanted = true;
    if (timer || isBusy) return;
    const passed = performance.now() - last;
    timer = window.setTimeout(go, Math.max(40, milliseconds - passed));
  };
  return want;
}
