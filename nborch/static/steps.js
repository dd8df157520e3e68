// Steps: where an arrow key leads to from an item of the graph.

/**
 * @typedef {import("./grouping.js").Arrangement} Arrangement
 * @typedef {import("./grouping.js").Item} Item
 * @typedef {"left" | "right" | "up" | "down"} Direction
 */

/**
 * Return the item that an arrow key leads to: sideways along the edges, up and down
 * among those side by side; where there is none, into or out of a frame.
 * @param {Arrangement} arrangement
 * @param {Item} item
 * @param {Direction} direction
 * @returns {Item | null}
 */
export function neighbour(arrangement, item, direction) {
  const siblings = item.around?.children ?? arrangement.top;
  const arrows = item.around?.arrows ?? arrangement.arrows;
  if (direction === "right" || direction === "left") {
    const isRight = direction === "right";
    const reached = isRight ? arrows.from(item.number) : arrows.to(item.number);
    if (reached.length)
      return closest(
        reached.map((n) => siblings[n]),
        item,
      );
    if (isRight && item.isOpen) return item.children[0] ?? null;
    const beside = siblings.filter((other) => isBeside(other, item, isRight));
    if (!arrows.length && beside.length) return closest(beside, item);
    return isRight ? null : item.around;
  }
  if (direction === "down" && item.isOpen && !isBelow(siblings, item)) {
    return item.children[0] ?? null;
  }
  const isDown = direction === "down";
  const ahead = siblings.filter((other) => (isDown ? other.y > item.y : other.y < item.y));
  const inColumn = ahead.filter((other) => overlaps(other, item));
  return closest(inColumn.length ? inColumn : ahead, item) ?? (isDown ? null : item.around);
}

/**
 * @param {Item[]} siblings
 * @param {Item} item
 */
function isBelow(siblings, item) {
  return siblings.some((other) => other.y > item.y && overlaps(other, item));
}

/**
 * @param {Item} other
 * @param {Item} item
 * @param {boolean} isRight
 */
function isBeside(other, item, isRight) {
  const isLevel = Math.abs(other.y - item.y) < item.height / 2;
  return isLevel && (isRight ? other.x > item.x : other.x < item.x);
}

/**
 * @param {Item} one
 * @param {Item} other
 */
function overlaps(one, other) {
  return one.x < other.x + other.width && other.x < one.x + one.width;
}

/**
 * @param {Item[]} items
 * @param {Item} to
 * @returns {Item | null}
 */
function closest(items, to) {
  let [found, least] = [/** @type {Item | null} */ (null), Infinity];
  for (const item of items) {
    const dx = item.x - to.x;
    const dy = item.y + item.height / 2 - to.y - to.height / 2;
    const distance = Math.hypot(dx, dy);
    if (distance < least) [found, least] = [item, distance];
  }
  return found;
}
