// Words: durations, times and names as people read them.

/**
 * Return a duration, in the same words as nborch/showing.py.
 * @param {number} seconds
 */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 0.0995) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  const tenths = Math.round(seconds * 10);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.round(whole / 60);
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/**
 * Return what a run is called; of a subflow, whose own name may be any two words, the
 * flow comes first.
 * @param {{kind: string, of: string, name: string}} node
 */
export function nameOf({ kind, of, name }) {
  return kind === "flow" && of && of !== name ? `${of} · ${name}` : name;
}

/**
 * Return a duration that is still growing: without parts that would flicker.
 * @param {number} seconds
 */
export function growing(seconds) {
  return seconds < 60 ? `${Math.max(0, seconds).toFixed(1)} s` : duration(seconds);
}

/**
 * Return about how long something still takes.
 * @param {number} seconds
 */
export function about(seconds) {
  if (seconds < 10) return "a few seconds";
  if (seconds < 55) return `${Math.round(seconds / 5) * 5} s`;
  if (seconds < 90) return "a minute";
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return duration(Math.round(seconds / 600) * 600);
}

/**
 * Return the time of day, or with the date for another day than today.
 * @param {number} time
 */
export function clock(time) {
  const date = new Date(time * 1000);
  const isToday = date.toDateString() === new Date().toDateString();
  const told = date.toLocaleTimeString([], { hour12: false });
  return isToday ? told : `${date.toLocaleDateString()} ${told}`;
}

/** What most names are made of. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Return a name in one line of at most so many letters.
 * @param {unknown} name
 * @param {number} [most]
 */
export function oneLine(name, most = 200) {
  // NB. Cut first: a name of a megabyte must not cost a search through all of it.
  const text = String(name ?? "").slice(0, most * 2);
  if (text.length <= most && PLAIN.test(text)) return text.trim();
  const plain = text.replace(/[\s\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]+/g, " ");
  const letters = Array.from(plain.trim());
  return letters.length <= most ? letters.join("") : `${letters.slice(0, most - 1).join("")}…`;
}

/**
 * Return a text of at most so many letters, and how many are left out.
 * @param {unknown} text
 * @param {number} most
 */
export function shortened(text, most) {
  const whole = String(text ?? "");
  if (whole.length <= most) return whole;
  return `${whole.slice(0, most)}\n… ${numeral(whole.length - most)} more characters`;
}

/**
 * Return a number with its thousands apart.
 * @param {number} count
 */
export function numeral(count) {
  // NB. Not toLocaleString(): the first call in a page takes ten milliseconds.
  return String(count).replace(/\B(?=(\d{3})+$)/g, ",");
}

/**
 * @param {number} count
 * @param {string} one
 */
export function counted(count, one) {
  return `${numeral(count)} ${count === 1 ? one : `${one}s`}`;
}
