/** A picture that is shown as it was drawn, pixel by pixel: from the server, with what each pixel cost. */

import { scoreOf } from "./api.js";
import { isInOneOrder } from "./choice.js";
import { FieldTrouble } from "./problems.js";
import { pictureOf } from "../pixels/raster.js";
import { completionOf, friendlySeed, scoreForm } from "./requests.js";
import { standing } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {Job, Model} from "../types" */

/**
 * @typedef {object} Written
 * @property {string} address of the view that has the job, behind #; "" of a recorded picture
 * @property {ImageData} picture
 * @property {boolean} isBinary
 * @property {number[] | null} bits what each pixel cost; null where it was not drawn in the order of the scores
 * @property {number} total what all cost, in bits
 * @property {number | null} rarity the share of the model's own pictures that is as surprising, or more
 *
 * @typedef {(job: Job) => void} OnWait told now and then where a job stands
 */

/** A new one. @param {Api} api @param {Model} model @param {AbortSignal} signal @param {OnWait} onWait @param {number} [seed] */
export async function drawn(api, model, signal, onWait, seed = friendlySeed()) {
  const { path, body } = fromNothing(model, 1, seed);
  return known(api, model, await api.ask(path, body, signal, onWait), signal, onWait);
}

/**
 * The same one up to a pixel, and another end.
 *
 * @param {Api} api
 * @param {Model} model
 * @param {ImageData} picture
 * @param {number} at the first pixel that is drawn anew
 * @param {AbortSignal} signal
 * @param {OnWait} onWait
 */
export async function endedFrom(api, model, picture, at, signal, onWait) {
  const { path, body } = await endings(model, picture, at, 1);
  return known(api, model, await api.ask(path, body, signal, onWait), signal, onWait);
}

/** The request for new ones. @param {Model} model @param {number} n @param {number} seed */
function fromNothing({ name }, n, seed) {
  return { path: "/sample", body: { model: name, n, seed } };
}

/** The request for `n` ends of a picture from a pixel on. @param {Model} model @param {ImageData} picture @param {number} at @param {number} n */
export async function endings(model, picture, at, n) {
  if (!at) return fromNothing(model, n, friendlySeed());
  const hole = Uint8Array.from({ length: picture.width * picture.height }, (_, i) => Number(i >= at));
  const opaque = new ImageData(picture.data.slice(), picture.width);
  for (let i = 3; i < opaque.data.length; i += 4) opaque.data[i] = 255;
  return completionOf(model.name, opaque, hole, { n, seed: friendlySeed(), temperature: 1 });
}

/** @param {Api} api @param {Model} model @param {Job} job @param {AbortSignal} signal @param {OnWait} onWait @returns {Promise<Written>} */
async function known(api, model, job, signal, onWait) {
  const picture = await pictureOf(await api.image(succeeded(job).id));
  const scored = succeeded(await api.ask("/score", await scoreForm(model.name, picture), signal, onWait));
  const map = isInOneOrder(model) ? await api.scoreMap(scored.id) : null;
  const bits = map && map.bits.flat().map((colours) => colours.reduce((sum, part) => sum + part, 0));
  const score = scoreOf(scored);
  return {
    address: `${job.kind}/${job.id}`,
    picture,
    isBinary: model.values === 2 && model.channels === 1,
    bits,
    total: (score?.nats ?? 0) / Math.LN2,
    rarity: score?.p_value ?? null,
  };
}

/** @param {Job} job */
export function succeeded(job) {
  if (job.status !== "succeeded") throw new FieldTrouble("", standing(job));
  return job;
}

/** How likely white was there before it was drawn. @param {ImageData} picture of black and white @param {number[]} bits @param {number} at */
export function chanceOfWhite({ data }, bits, at) {
  const drawn = 2 ** -bits[at];
  return data[4 * at] > 127 ? drawn : 1 - drawn;
}
