/** What the engine is asked for, checked: a sentence says what was expected. */

/** @import {Description, Drawing, Labels, SampleOptions} from "./types" */

import { EngineError } from "./files.js";
import { PIXEL_OPTIONS } from "./pixel_options.js";

/** Options that go on to the stage as they are. */
const WAYS = Object.keys(PIXEL_OPTIONS.sample).filter((name) => !["first", "label", "size"].includes(name));
const MAX_SEED = 2n ** 63n - 1n;

/**
 * The images to draw.
 *
 * @param {SampleOptions} options
 * @param {Description} description
 * @returns {Drawing[]}
 */
export function drawingsOf({ n: asked, seed, temperature = 1, first = 0, label, ...others }, description) {
  const n = asked ?? (Array.isArray(label) ? label.length : 1);
  if (!Number.isSafeInteger(n) || n < 1) throw new EngineError(`n must be a whole number from 1 on, not ${n}`);
  if (!Number.isSafeInteger(first) || first < 0)
    throw new EngineError(`first must be a whole number from 0 on, not ${first}`);
  if (!(temperature > 0 && temperature < Infinity))
    throw new EngineError(`temperature must be above 0, not ${temperature}`);
  if (typeof seed !== "bigint" && !Number.isSafeInteger(seed)) {
    throw new EngineError(`seed must be a whole number, from 2^53 on a bigint, not ${seed}`);
  }
  const whole = BigInt(seed);
  if (whole < 0n || whole > MAX_SEED) throw new EngineError(`seed must be from 0 to 2^63 - 1, not ${seed}`);
  if (others.size)
    throw new EngineError(`${others.size}: pictures of another size than the model's are not drawn here`);
  const labels = labelsOfEach(label, n, description);
  const ways = Object.fromEntries(WAYS.map((name) => [name, /** @type {any} */ (others)[name]]));
  return labels.map((each, i) => ({ ...ways, seed: whole, sample: first + i, temperature, label: each }));
}

/**
 * @param {Labels | undefined} asked
 * @param {number} n
 * @param {Description} description
 */
function labelsOfEach(asked, n, description) {
  const each = Array.isArray(asked) ? asked : Array.from({ length: n }, () => asked);
  if (each.length !== n)
    throw new EngineError(`expected one label, or one for each of ${n} images, not ${each.length}`);
  return each.map((label) => labelNumber(label, description));
}

/**
 * The number of a label that is asked for by name or number; undefined where none is.
 *
 * @param {string | number | null | undefined} asked
 * @param {Description} description
 */
export function labelNumber(asked, { name, labels }) {
  if (asked === undefined || asked === null) return undefined;
  if (!labels.length) throw new EngineError(`${name} has no labels: an image cannot be asked for by one`);
  const names = labels.map((label) => label.name);
  const found = names.indexOf(`${asked}`);
  if (found >= 0) return found;
  if (/^\d+$/.test(`${asked}`) && Number(asked) < names.length) return Number(asked);
  throw new EngineError(`${name} has no label ${asked}: there is ${names.join(", ")}`);
}

/**
 * Where pixels are given: 1, else 0.
 *
 * @param {ArrayLike<number | boolean>} keep
 * @param {{height: number, width: number}} image
 */
export function maskOf(keep, { height, width }) {
  const pixels = height * width;
  if (keep?.length !== pixels) throw new EngineError(`keep must have ${pixels} pixels, not ${keep?.length}`);
  return Uint8Array.from(keep, (each) => (each ? 1 : 0));
}

/**
 * Values of which those that are kept must be some of the model's.
 *
 * @param {ArrayLike<number>} values
 * @param {{channels: number, height: number, width: number, values: number}} image
 * @param {Uint8Array} [keep] - all when left out
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
