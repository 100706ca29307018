/** A picture that is shown as it was drawn, pixel by pixel: from the server, with what each pixel cost. */

import { isInOneOrder } from "./choice.js";
import { friendlySeed } from "./requests.js";

/** @import {Backend} from "./backend.js" */
/** @import {DrawResult, AnswerOptions, Model} from "../types" */

/**
 * @typedef {object} Drawing
 * @property {string} address of the view that has the job, behind #; "" of a recorded picture
 * @property {ImageData} picture
 * @property {boolean} isBinary
 * @property {number[] | null} bits what each pixel cost; null where it was not drawn in the order of the scores
 * @property {number} total what all cost, in bits
 * @property {number | null} rarity the share of the model's own pictures that is as surprising, or more
 * @property {boolean} isHere whether this browser drew it
 */

/** With a palette, the model of one of its labels, by chance: then what each pixel cost is known. @param {Model} model @returns {Model} */
export function withOneLabel(model) {
  let left = Math.random();
  const label = model.palette?.length ? model.labels.find(({ prior }) => (left -= prior) < 0)?.name : "";
  return label ? { ...model, labels: [], label } : model;
}

/** A new one. @param {Backend} backend @param {Model} model @param {AnswerOptions} how @param {number} [seed] */
export async function drawPicture(backend, model, how, seed = friendlySeed()) {
  return drawingOf(backend, model, await backend.sample(model, { n: 1, seed }, how), how);
}

/** The same one up to a pixel, and another end. @param {Backend} backend @param {Model} model @param {ImageData} picture @param {number} at the first pixel that is drawn anew @param {AnswerOptions} how */
export async function redrawFrom(backend, model, picture, at, how) {
  return drawingOf(backend, model, await completionsFrom(backend, model, picture, at, 1, how), how);
}

/** Ends of a picture from a pixel on. @param {Backend} backend @param {Model} model @param {ImageData} picture @param {number} at @param {number} n @param {AnswerOptions} how */
export function completionsFrom(backend, model, picture, at, n, how) {
  const wish = { n, seed: friendlySeed(), temperature: 1 };
  if (!at) return backend.sample(model, wish, how);
  const hole = Uint8Array.from({ length: picture.width * picture.height }, (_, i) => Number(i >= at));
  const opaque = new ImageData(picture.data.slice(), picture.width);
  for (let i = 3; i < opaque.data.length && !model.palette?.length; i += 4) opaque.data[i] = 255;
  return backend.complete(model, { ...wish, picture: opaque, hole }, how);
}

/** @param {Backend} backend @param {Model} model @param {DrawResult} drawing @param {AnswerOptions} how @returns {Promise<Drawing>} */
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

/** How likely white was there before it was drawn. @param {ImageData} picture of black and white @param {number[]} bits @param {number} at */
export function chanceOfWhite({ data }, bits, at) {
  const drawn = 2 ** -bits[at];
  return data[4 * at] > 127 ? drawn : 1 - drawn;
}
