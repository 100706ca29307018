/** The holes in a picture as the service sees them: those that are near each other are one. Knows no element. */

/** @import {Size} from "../types" */

/** Holes with fewer pixels between them are one, and so many of a cut-out lie beside its hole: app/imaging/cutouts.py. */
const APART = 4;

/** So large may a hole be. @param {Size} model */
export function largestHole({ width, height }) {
  return { width: width - APART, height: height - APART };
}

/** Cut-outs of one job. */
export const MOST_HOLES = 64;
/** With more than this nothing is looked at any more. */
const LOOKED_AT = 16 * MOST_HOLES;

/**
 * How many holes there are, as far as they are looked at, and whether one is too large for the model.
 *
 * @param {Uint8Array} hole 1 = it is
 * @param {Size} size
 * @param {Size} model
 */
export function holesIn(hole, { width }, model) {
  const most = largestHole(model);
  let boxes = /** @type {number[][]} */ ([]);
  for (let at = hole.indexOf(1); at >= 0 && boxes.length < LOOKED_AT; at = hole.indexOf(1, at)) {
    const [x, y] = [at % width, Math.floor(at / width)];
    while (at < (y + 1) * width && hole[at]) at += 1;
    boxes = mergeBoxes(boxes, [x, y, at - y * width, y + 1]);
    const [left, top, right, bottom] = boxes[boxes.length - 1];
    if (right - left > most.width || bottom - top > most.height) return { count: boxes.length, isLarge: true };
  }
  return { count: boxes.length, isLarge: false };
}

/** With one more, and again with what it has grown to. @param {number[][]} boxes @param {number[]} box */
function mergeBoxes(boxes, box) {
  const isNear = (/** @type {number[]} */ other) =>
    [0, 1].every((i) => box[i] - APART < other[i + 2] && other[i] < box[i + 2] + APART);
  const near = boxes.filter(isNear);
  if (!near.length) return [...boxes, box];
  const all = [box, ...near];
  const [left, top, right, bottom] = [0, 1, 2, 3].map((i) =>
    (i < 2 ? Math.min : Math.max)(...all.map((other) => other[i])),
  );
  const others = boxes.filter((other) => !isNear(other));
  return mergeBoxes(others, [left, top, right, bottom]);
}
