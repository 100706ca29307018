/**
 * Find the holes in a picture as the service does: holes that are near each other count
 * as one.
 */

/** @import {Size} from "../types" */

/**
 * Pixels between separate holes, at least, and around a hole in its cut-out:
 * app/imaging/cutouts.py.
 */
const APART = 4;

/**
 * Return the largest size of a hole that a model can fill in a larger picture: the
 * model's size less a margin of 4 pixels.
 *
 * @param {Size} model - Size of the model's images in pixels.
 * @returns {{width: number, height: number}} Width and height in pixels.
 */
export function largestHole({ width, height }) {
  return { width: width - APART, height: height - APART };
}

/** Holes that one job may have, at most; holes times images count. */
export const MOST_HOLES = 64;
/** Holes after which the search stops: the service would refuse so many. */
const LOOKED_AT = 16 * MOST_HOLES;

/**
 * Count the holes in a picture. The search stops early if one is too large or there are
 * far too many.
 *
 * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel to fill.
 * @param {Size} size - Size of the picture.
 * @param {Size} model - Size of the model's images.
 * @returns {{count: number, isLarge: boolean}} `count`: number of holes found;
 *     `isLarge`: true if one is larger than the model can fill.
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

/**
 * Return the boxes with one more; boxes that are near each other become one.
 *
 * @param {number[][]} boxes - [left, top, right, bottom] of each hole.
 * @param {number[]} box
 */
function mergeBoxes(boxes, box) {
  const isNear = (/** @type {number[]} */ other) =>
    [0, 1].every((i) => box[i] - APART < other[i + 2] && other[i] < box[i + 2] + APART);
  const near = boxes.filter(isNear);
  if (!near.length) return [...boxes, box];
  const all = [box, ...near];
  const [left, top, right, bottom] = [0, 1, 2, 3].map((i) =>
    (i < 2 ? Math.min : Math.max)(...all.map((other) => other[i])),
  );
  // A merged box is larger, so it may have come near to further ones.
  const others = boxes.filter((other) => !isNear(other));
  return mergeBoxes(others, [left, top, right, bottom]);
}
