/**
 * The eight ways to turn or mirror an image, with the names of Pillow's
 * `Image.Transpose`.
 */

/** @import {Orientation} from "./types" */

/**
 * Of each orientation: whether rows and columns are exchanged, and whether afterwards the
 * columns and the rows are reversed.
 *
 * @type {Record<Orientation, [boolean, boolean, boolean]>}
 */
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

/**
 * The inverse of an orientation, if it is not the orientation itself.
 *
 * @type {Partial<Record<Orientation, Orientation>>}
 */
const UNDONE_BY = { rotate_90: "rotate_270", rotate_270: "rotate_90" };

/** All orientations, in the order of their numbers in files of coded images. */
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

/**
 * Return true if a name is that of one of the eight orientations.
 *
 * @param {string} name
 * @returns {boolean}
 */
export const isOrientation = (name) => Object.hasOwn(STEPS, name);

/**
 * Turn or mirror maps of pixels.
 *
 * @param {ArrayLike<number | boolean>} values - One or more maps (height, width), one
 *     after the other, such as the channels of an image.
 * @param {number} height - Rows of a map. It must equal the width for an orientation
 *     that exchanges rows and columns.
 * @param {number} width
 * @param {Orientation} orientation
 * @returns {Uint8Array<ArrayBuffer>} A new array of the same length, each value as a
 *     byte.
 */
export function turn(values, height, width, orientation) {
  const from = placesOf(height, width, orientation);
  return Uint8Array.from(values, (_, i) => Number(values[i - (i % from.length) + from[i % from.length]]));
}

/**
 * Return, for each pixel of a turned map, the index of the pixel in the upright map
 * from which it comes.
 *
 * Indices count row by row. Map[i] of the turned map is upright[result[i]].
 *
 * @param {number} height - Rows of the map; equal to the width for an orientation that
 *     exchanges rows and columns.
 * @param {number} width
 * @param {Orientation} orientation
 * @returns {number[]}
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
 * Turn maps of pixels back: the inverse of `turn` with the same orientation.
 *
 * @param {ArrayLike<number | boolean>} values - One or more maps (height, width), one
 *     after the other, in this orientation.
 * @param {number} height
 * @param {number} width
 * @param {Orientation} orientation
 * @returns {Uint8Array<ArrayBuffer>} A new array of the same length: the upright maps,
 *     each value as a byte.
 */
export const turnBack = (values, height, width, orientation) =>
  turn(values, height, width, UNDONE_BY[orientation] ?? orientation);
