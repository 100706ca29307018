/** The eight ways to turn or mirror an image, as model_core/orientation.py has them. */

/** @import {Orientation} from "./types" */

/** First rows and columns change places, or not; then columns, then rows are reversed.
 * @type {Record<Orientation, [boolean, boolean, boolean]>} */
const STEPS = {
  none: [false, false, false],
  flip_left_right: [false, true, false],
  flip_top_bottom: [false, false, true],
  rotate_180: [false, true, true],
  transpose: [true, false, false],
  rotate_90: [true, false, true],
  rotate_270: [true, true, false],
  transverse: [true, true, true],
};

/** @type {Partial<Record<Orientation, Orientation>>} */
const UNDONE_BY = { rotate_90: "rotate_270", rotate_270: "rotate_90" };

/** In the order of their numbers in files of coded images. */
export const ORIENTATIONS = /** @type {Orientation[]} */ ([
  "none",
  "flip_left_right",
  "flip_top_bottom",
  "rotate_90",
  "rotate_180",
  "rotate_270",
  "transpose",
  "transverse",
]);

/** @param {string} name */
export const isOrientation = (name) => name in STEPS;

/**
 * Maps (height, width), one after the other, in another orientation; those that exchange rows and columns are square.
 *
 * @param {ArrayLike<number | boolean>} values
 * @param {number} height
 * @param {number} width
 * @param {Orientation} orientation
 */
export function turn(values, height, width, orientation) {
  const from = placesOf(height, width, orientation);
  return Uint8Array.from(values, (_, i) => Number(values[i - (i % from.length) + from[i % from.length]]));
}

/**
 * Of each pixel in another orientation, the place that it comes from.
 *
 * @param {number} height
 * @param {number} width
 * @param {Orientation} orientation
 */
export function placesOf(height, width, orientation) {
  const [exchanged, columns, rows] = STEPS[orientation];
  return Array.from({ length: height * width }, (_, place) => {
    const [y, x] = [Math.floor(place / width), place % width];
    const [v, u] = [rows ? height - 1 - y : y, columns ? width - 1 - x : x];
    return exchanged ? u * width + v : v * width + u;
  });
}

/**
 * Undo `turn`.
 *
 * @param {ArrayLike<number | boolean>} values
 * @param {number} height
 * @param {number} width
 * @param {Orientation} orientation
 */
export const turnBack = (values, height, width, orientation) =>
  turn(values, height, width, UNDONE_BY[orientation] ?? orientation);
