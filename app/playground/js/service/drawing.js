/**
 * A picture that is shown as it was drawn, pixel by pixel: draw it, and find what each
 * pixel cost.
 */

import { isInOneOrder } from "./choice.js";
import { friendlySeed } from "./requests.js";

/** @import {Backend} from "./backend.js" */
/** @import {DrawResult, AnswerOptions, Model} from "../types" */

/**
 * A finished picture and its surprise.
 *
 * @typedef {object} Drawing
 * @property {string} address - Part of the address behind # that shows its job; "" for a
 *     recorded picture.
 * @property {ImageData} picture
 * @property {boolean} isBinary - True if it is black and white.
 * @property {number[] | null} bits - Bits that each pixel cost; null if the model does not
 *     score pixels in the order of drawing.
 * @property {number} total - Bits of the whole picture.
 * @property {number | null} rarity - Share of the model's own pictures that are as
 *     surprising or more; null if unknown.
 * @property {boolean} isHere - True if this browser drew it.
 */

/**
 * Return a model as if it had only one of its labels, chosen at random by their priors;
 * other models stay as they are.
 *
 * Only models with a palette are changed. With a fixed label, the bits of each pixel
 * are known.
 *
 * @param {Model} model
 * @returns {Model} The model itself, or a copy with `label` and without `labels`.
 */
export function withOneLabel(model) {
  let left = Math.random();
  const label = model.palette?.length ? model.labels.find(({ prior }) => (left -= prior) < 0)?.name : "";
  return label ? { ...model, labels: [], label } : model;
}

/**
 * Draw a new picture at temperature 1 and score it.
 *
 * @param {Backend} backend
 * @param {Model} model
 * @param {AnswerOptions} how - Signal and listeners.
 * @param {number} [seed] - Seed of the picture. Default: a random one.
 * @returns {Promise<Drawing>} The picture, the bits that each pixel cost (null if the
 *     model scores in another order), and their sum.
 * @throws the errors of `Backend`.
 */
export async function drawPicture(backend, model, how, seed = friendlySeed()) {
  return drawingOf(backend, model, await backend.sample(model, { n: 1, seed }, how), how);
}

/**
 * Keep the first pixels of a picture, draw the others anew at temperature 1 with a
 * random seed, and score the result.
 *
 * @param {Backend} backend
 * @param {Model} model
 * @param {ImageData} picture
 * @param {number} at - Index of the first pixel that is drawn anew, row by row.
 * @param {AnswerOptions} how - Signal and listeners.
 * @returns {Promise<Drawing>} The new picture, the bits that each pixel cost (null if
 *     the model scores in another order), and their sum.
 * @throws the errors of `Backend`.
 */
export async function redrawFrom(backend, model, picture, at, how) {
  return drawingOf(backend, model, await completionsFrom(backend, model, picture, at, 1, how), how);
}

/**
 * Keep the first pixels of a picture and draw several completions of the others, at
 * temperature 1 with a random seed.
 *
 * @param {Backend} backend
 * @param {Model} model
 * @param {ImageData} picture
 * @param {number} at - Index of the first pixel that is drawn anew, row by row; 0 draws
 *     new pictures.
 * @param {number} n - Number of completions.
 * @param {AnswerOptions} how - Signal and listeners.
 * @returns {Promise<DrawResult>} `job`: the job; `images`: the completed pictures,
 *     empty if `how` listens to rows and the service drew them; `mean`: expected value
 *     of each pixel, or null; `isHere`: whether this browser drew them.
 * @throws the errors of `Backend`.
 */
export function completionsFrom(backend, model, picture, at, n, how) {
  const wish = { n, seed: friendlySeed(), temperature: 1 };
  if (!at) return backend.sample(model, wish, how);
  const hole = Uint8Array.from({ length: picture.width * picture.height }, (_, i) => Number(i >= at));
  const opaque = new ImageData(picture.data.slice(), picture.width);
  for (let i = 3; i < opaque.data.length && !model.palette?.length; i += 4) opaque.data[i] = 255;
  return backend.complete(model, { ...wish, picture: opaque, hole }, how);
}

/**
 * Score a drawn picture and return both.
 *
 * @param {Backend} backend
 * @param {Model} model
 * @param {DrawResult} drawing
 * @param {AnswerOptions} how
 * @returns {Promise<Drawing>}
 */
async function drawingOf(backend, model, { job, images: [picture], isHere }, how) {
  const { score, map } = await (isInOneOrder(model) ? backend.scoreMap : backend.score)(model, { picture }, how);
  const bits = map && map.bits.flat().map((colours) => colours.reduce((sum, part) => sum + part, 0));
  const recipe = new URLSearchParams({ model: model.name, seed: String(job.seed), n: "1", temperature: "1" });
  if (model.label) recipe.set("label", model.label);
  return {
    address: job.id ? `${job.kind}/${job.id}` : job.kind === "sample" ? `sample?${recipe}` : "",
    picture,
    isBinary: model.values === 2 && model.channels === 1,
    bits,
    total: score.nats / Math.LN2,
    rarity: score.p_value ?? null,
    isHere,
  };
}

/**
 * Return the probability, 0 to 1, that the network gave white at a pixel before it was
 * drawn.
 *
 * @param {ImageData} picture - A black and white picture.
 * @param {number[]} bits - Bits that each pixel cost.
 * @param {number} at - Index of the pixel, row by row.
 */
export function chanceOfWhite({ data }, bits, at) {
  const chance = 2 ** -bits[at];
  return data[4 * at] > 127 ? chance : 1 - chance;
}
