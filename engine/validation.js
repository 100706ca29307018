/**
 * Check the options of a call and turn them into values that the JavaScript engine works with.
 *
 * Every function here raises EngineError with a sentence that says what was expected.
 */

/** @import {Description, Drawing, Labels, SampleOptions} from "./types" */

import { EngineError } from "./files.js";
import { PIXEL_OPTIONS } from "./pixel_options.js";

/**
 * Names of the options that a stage receives unchanged. The others are handled in this
 * module.
 */
const STAGE_OPTIONS = Object.keys(PIXEL_OPTIONS.sample).filter((name) => !["first", "label", "size"].includes(name));
const MAX_SEED = 2n ** 63n - 1n;

/**
 * Check the options of a call and return one drawing, a description of an image to
 * draw, for each image.
 *
 * n: Number of images. Default: the number of labels if `label` is a list, else 1.
 *
 * @param {SampleOptions} options - Options of `sample`, or the same options of
 *     `complete`: `n` images of `seed`, with consecutive numbers from `first` on. Other
 *     options that change pixels are copied into each drawing.
 * @param {Description} description - The model's portable.json.
 * @returns {Drawing[]} Drawings in the order of the images, with the seed as a bigint
 *     and the label as an index or undefined.
 * @throws {EngineError} if `n`, `first`, `temperature`, `seed` or a label is invalid,
 *     if the length of a list of labels is not `n`, or if `size` is set: the engine
 *     draws only pictures of the model's own size.
 */
export function drawingsOf({ n: count, seed, temperature = 1, first = 0, label, ...others }, description) {
  const n = count ?? (Array.isArray(label) ? label.length : 1);
  if (!Number.isSafeInteger(n) || n < 1) throw new EngineError(`n must be a whole number from 1 on, not ${n}`);
  if (!Number.isSafeInteger(first) || first < 0)
    throw new EngineError(`first must be a whole number from 0 on, not ${first}`);
  if (!(temperature > 0 && temperature < Infinity))
    throw new EngineError(`temperature must be above 0, not ${temperature}`);
  // A number above 2^53 may have been rounded already, and the service would draw
  // another seed.
  if (typeof seed !== "bigint" && !Number.isSafeInteger(seed)) {
    throw new EngineError(`seed must be a whole number, from 2^53 on a bigint, not ${seed}`);
  }
  const whole = BigInt(seed);
  if (whole < 0n || whole > MAX_SEED) throw new EngineError(`seed must be from 0 to 2^63 - 1, not ${seed}`);
  if (others.size)
    throw new EngineError(`${others.size}: pictures of another size than the model's are not drawn here`);
  const labels = labelsOfEach(label, n, description);
  const stageOptions = Object.fromEntries(STAGE_OPTIONS.map((name) => [name, /** @type {any} */ (others)[name]]));
  return labels.map((each, i) => ({ ...stageOptions, seed: whole, sample: first + i, temperature, label: each }));
}

/**
 * Return the index of the label of each of n images, or undefined for an image without
 * a label.
 *
 * @param {Labels | undefined} labels
 * @param {number} n
 * @param {Description} description
 */
function labelsOfEach(labels, n, description) {
  const each = Array.isArray(labels) ? labels : Array.from({ length: n }, () => labels);
  if (each.length !== n)
    throw new EngineError(`expected one label, or one for each of ${n} images, not ${each.length}`);
  return each.map((label) => labelNumber(label, description));
}

/**
 * Return the index of a label.
 *
 * @param {string | number | null | undefined} label - Name of a label, or its index as
 *     a number or as decimal digits. A name wins over an index.
 * @param {Description} description
 * @returns {number | undefined} The index in the model's list of labels; undefined if
 *     `label` is undefined or null.
 * @throws {EngineError} if the model has no labels or no such label.
 */
export function labelNumber(label, { name, labels }) {
  if (label === undefined || label === null) return undefined;
  if (!labels.length) throw new EngineError(`${name} has no labels: leave out label`);
  const names = labels.map((each) => each.name);
  const found = names.indexOf(`${label}`);
  if (found >= 0) return found;
  if (/^\d+$/.test(`${label}`) && Number(label) < names.length) return Number(label);
  throw new EngineError(`${name} has no label ${label}: expected one of ${names.join(", ")}`);
}

/**
 * Return a mask of the given pixels as bytes: 1 for a given pixel, 0 for a pixel to
 * fill.
 *
 * @param {ArrayLike<number | boolean>} keep - One entry for each pixel, row by row; any
 *     truthy value marks a given pixel.
 * @param {{height: number, width: number}} image - Size of the model's images in
 *     pixels.
 * @returns {Uint8Array<ArrayBuffer>} A new array of height x width bytes.
 * @throws {EngineError} if the number of entries is not height x width.
 */
export function maskOf(keep, { height, width }) {
  const pixels = height * width;
  if (keep?.length !== pixels) throw new EngineError(`keep must have ${pixels} pixels, not ${keep?.length}`);
  return Uint8Array.from(keep, (each) => (each ? 1 : 0));
}

/**
 * Check the values of a picture and return them as bytes.
 *
 * @param {ArrayLike<number>} values - Values in the order (channels, height, width).
 * @param {{channels: number, height: number, width: number, values: number}} image -
 *     Shape of the model's images; `values` is V, the number of values that a colour of
 *     a pixel can have.
 * @param {Uint8Array} [keep] - Mask of the pixels to check, 1 for a given one; values
 *     of other pixels may be anything. Default: check all pixels.
 * @returns {Uint8Array<ArrayBuffer>} A copy. A value that was not checked is converted
 *     to a byte, modulo 256.
 * @throws {EngineError} if the number of values is wrong, or if a checked value is not
 *     a whole number from 0 to V - 1.
 */
export function pictureOf(values, { channels, height, width, values: levels }, keep) {
  const [pixels, size] = [height * width, channels * height * width];
  if (values?.length !== size) throw new EngineError(`a picture must have ${size} values, not ${values?.length}`);
  for (let i = 0; i < size; i++) {
    const isGiven = !keep || keep[i % pixels];
    if (isGiven && !(Number.isInteger(values[i]) && values[i] >= 0 && values[i] < levels)) {
      throw new EngineError(`a picture's values must be whole numbers from 0 to ${levels - 1}, not ${values[i]}`);
    }
  }
  return Uint8Array.from(values);
}
