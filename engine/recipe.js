/** What a PNG says of how it was drawn, and the pictures that it shows: worker/contract/recipe.py, data/images.py. */

import { EngineError } from "./files.js";
import { readPng } from "./png.js";

const NUMERICS = "cpu-compiled";
/** Between the pictures of a table. */
const LINE = 1;

/** @typedef {{model: string, digest: string, identity: string, seed: bigint, temperature: number, sample: number, samples: number, label?: string | string[]}} Recipe */
/** @typedef {Awaited<ReturnType<typeof readPng>>} Png */

/**
 * @param {Record<string, string>} text
 * @returns {Recipe}
 */
export function recipeOf(text) {
  if (text.kind !== "sample") {
    throw new EngineError("only samples can be verified, as they were written: the PNG does not say that it is one");
  }
  if (text.numerics && !text.numerics.split(", ").includes(NUMERICS)) {
    throw new EngineError(`it was drawn with ${text.numerics} numerics: a difference would prove nothing`);
  }
  const { model, digest, identity = "" } = text;
  const [temperature, sample, samples] = [
    Number(text.temperature),
    Number(text.sample ?? 0),
    Number(text.samples ?? 1),
  ];
  if (
    !/^\d{1,19}$/.test(text.seed) ||
    !(temperature > 0) ||
    !Number.isInteger(sample) ||
    !(samples >= 1 && samples <= 4096)
  ) {
    throw new EngineError("what the picture says of how it was drawn makes no sense");
  }
  const label = text.labels === undefined ? text.label : namesIn(text.labels);
  return { model, digest, identity, seed: BigInt(text.seed), temperature, sample, samples, label };
}

/** @param {string} text @returns {string[]} */
function namesIn(text) {
  try {
    const names = JSON.parse(text);
    if (Array.isArray(names)) return names.map(String);
  } catch {}
  throw new EngineError("what the picture says of how it was drawn makes no sense: labels");
}

/**
 * The pictures of a table, near square, row by row, each as pixels (C, H, W); -1 where a square is not of one colour.
 *
 * @param {Png} png
 * @param {number} count
 * @param {{channels: number, height: number, width: number}} image
 */
export function cut(png, count, { channels, height, width }) {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const [high, wide] = [rows * (height + LINE) - LINE, columns * (width + LINE) - LINE];
  const scale = Math.max(1, Math.floor(png.width / wide));
  if (png.width !== wide * scale || png.height !== high * scale || png.channels !== channels) {
    throw new EngineError(`the picture is ${png.width}x${png.height}, expected ${wide}x${high} or a multiple of that`);
  }
  return Array.from({ length: count }, (_, i) => {
    const [top, left] = [Math.floor(i / columns) * (height + LINE), (i % columns) * (width + LINE)];
    return Int16Array.from({ length: channels * height * width }, (_, at) => {
      const [c, y, x] = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width];
      return square(png, (top + y) * scale, (left + x) * scale, c, scale);
    });
  });
}

/**
 * @param {Png} png
 * @param {number} top
 * @param {number} left
 * @param {number} colour
 * @param {number} scale
 */
function square({ pixels, width, channels }, top, left, colour, scale) {
  const first = pixels[(top * width + left) * channels + colour];
  for (let y = top; y < top + scale; y++) {
    for (let x = left; x < left + scale; x++) if (pixels[(y * width + x) * channels + colour] !== first) return -1;
  }
  return first;
}

/**
 * The byte of a picture file for one of V values: model_core/data/pixels.py.
 *
 * @param {number} value
 * @param {number} levels
 */
export const toByte = (value, levels) => Math.floor((value * 255 + Math.floor((levels - 1) / 2)) / (levels - 1));
