/** Bodies of requests to the service. */

import { dataUrlOf, maskPicture, pngOf } from "../pixels/raster.js";

/** @import {Model} from "../types" */

/** Seeds of the page are below this number: short enough to be told to somebody. */
const FRIENDLY_SEEDS = 1_000_000;

/**
 * Return the request that fills a hole and ranks its images, the likeliest first.
 *
 * @param {Model} model
 * @param {ImageData} picture - A picture of the model's size.
 * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel to fill.
 * @param {Record<string, any>} settings - Further fields of the request.
 * @returns {Promise<{path: string, body: FormData, given: {image: string, mask: string}}>}
 *     `path` and `body` of the request; `given`: picture and mask as data URLs.
 */
export async function completionOf(model, picture, hole, settings) {
  const mask = maskPicture(hole, picture);
  const body = await scoreForm(model, picture);
  body.set("mask", await pngOf(mask), "mask.png");
  for (const [name, value] of Object.entries({ rank: true, ...settings })) body.set(name, String(value));
  return { path: "/complete", body, given: { image: dataUrlOf(picture), mask: dataUrlOf(mask) } };
}

/**
 * Return the request that fills holes in a larger picture, each in a cut-out of the
 * model's size.
 *
 * @param {Model} model
 * @param {Blob} image - File of the picture.
 * @param {Blob} mask - File of the mask, of the same size.
 * @param {Record<string, any>} settings - Further fields of the request.
 * @returns {{path: string, body: FormData, given: {image: string, mask: string}}}
 *     `path` and `body` of the request; `given`: picture and mask as blob URLs. They are
 *     made when `given` is first read, and stay valid until the page is closed.
 */
export function cropOf({ name, palette }, image, mask, settings) {
  const body = new FormData();
  const colours = palette?.length ? { colours: "nearest" } : {};
  const fields = { image, mask, model: name, fit: "crop", ...colours, ...settings };
  for (const [field, value] of Object.entries(fields)) body.set(field, value);
  /** @type {{image: string, mask: string} | null} */
  let given = null;
  return {
    path: "/complete",
    body,
    // A blob URL keeps its file in memory. The form's code, which asks with every change of
    // the form, needs none.
    get given() {
      given ??= { image: URL.createObjectURL(image), mask: URL.createObjectURL(mask) };
      return given;
    },
  };
}

/**
 * Return the form that asks for the score of a picture.
 *
 * @param {Model} model
 * @param {ImageData} picture - A picture of the model's size.
 * @returns {Promise<FormData>} Fields `model`, `image`, with a palette `colours`, and
 *     `label` if one was chosen for the model.
 */
export async function scoreForm({ name, palette, label }, picture) {
  const body = new FormData();
  body.set("model", name);
  body.set("image", await pngOf(picture), "image.png");
  // A canvas changes the colours of half-transparent pixels slightly.
  if (palette?.length) body.set("colours", "nearest");
  if (label) body.set("label", label);
  return body;
}

/** Return a random seed below 1,000,000. */
export function friendlySeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % FRIENDLY_SEEDS;
}
