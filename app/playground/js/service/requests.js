/** What the service is asked for: the bodies of requests. */

import { dataUrlOf, maskPicture, pngOf } from "../pixels/raster.js";

/** @import {Model} from "../types" */

/** Short enough to be told to somebody. */
const FRIENDLY_SEEDS = 1_000_000;

/**
 * The request that fills a hole, likeliest first.
 *
 * @param {Model} model
 * @param {ImageData} picture
 * @param {Uint8Array} hole
 * @param {Record<string, any>} settings
 */
export async function completionOf(model, picture, hole, settings) {
  const mask = maskPicture(hole, picture);
  const body = await scoreForm(model, picture);
  body.set("mask", await pngOf(mask), "mask.png");
  for (const [name, value] of Object.entries({ rank: true, ...settings })) body.set(name, String(value));
  return { path: "/complete", body, given: { image: dataUrlOf(picture), mask: dataUrlOf(mask) } };
}

/**
 * The request that fills holes in a larger picture, each in a cut-out of the model's size.
 *
 * @param {Model} model
 * @param {Blob} image
 * @param {Blob} mask
 * @param {Record<string, any>} settings
 */
export function cropOf({ name, palette }, image, mask, settings) {
  const body = new FormData();
  const colours = palette?.length ? { colours: "nearest" } : {};
  const fields = { image, mask, model: name, fit: "crop", ...colours, ...settings };
  for (const [field, value] of Object.entries(fields)) body.set(field, value);
  return { path: "/complete", body, given: { image: URL.createObjectURL(image), mask: URL.createObjectURL(mask) } };
}

/** The question how likely a picture is. @param {Model} model @param {ImageData} picture */
export async function scoreForm({ name, palette, label }, picture) {
  const body = new FormData();
  body.set("model", name);
  body.set("image", await pngOf(picture), "image.png");
  if (palette?.length) body.set("colours", "nearest"); // a canvas keeps no exact colour that is half clear
  if (label) body.set("label", label);
  return body;
}

/** One that nobody has chosen. */
export function friendlySeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % FRIENDLY_SEEDS;
}
