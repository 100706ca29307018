/** What a PNG says of how it was drawn, and the pictures that it shows: worker/contract/recipe.py, data/images.py. */

import { EngineError } from "./files.js";
import { PIXEL_OPTIONS, VERSION } from "./pixel_options.js";
import { readPng } from "./png.js";

/** @import {SampleOptions} from "./types" */

const NUMERICS = "cpu-compiled";
/** Width of the lines between the images of a sheet, in pixels that are not enlarged. */
const LINE = 1;
const LINE_GREY = 128;
/** A palette with fewer colours has the grey of the lines behind them; else the lines have its first colour. */
const MOST_COLOURS = 256;

/** @typedef {{model: string, digest: string, identity: string, samples: number, options: SampleOptions & {first: number}}} Recipe */
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
  const drawing = { n: samples, seed: BigInt(text.seed), temperature, first: sample };
  return { model, digest, identity, samples, options: { ...optionsIn(text), ...drawing } };
}

/**
 * The options of a sample that change pixels, as far as its text says them.
 *
 * @param {Record<string, string>} text
 * @returns {SampleOptions}
 */
function optionsIn(text) {
  if (Number(text.version ?? 1) > VERSION) {
    throw new EngineError("a later version drew it with an option that is not known here: a difference proves nothing");
  }
  const found = Object.entries(PIXEL_OPTIONS.sample).map(([name, type]) => [name, valueOf(text, name, type)]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

/**
 * @param {Record<string, string>} text
 * @param {string} name
 * @param {string} type
 */
function valueOf(text, name, type) {
  if (type === "texts" && text[`${name}s`] !== undefined) return namesIn(text[`${name}s`]);
  if (text[name] === undefined) return undefined;
  if (type === "flag") return text[name] === "true";
  return type === "integer" || type === "number" ? Number(text[name]) : text[name];
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
 * Take a sheet apart into its images.
 *
 * @param {Png} png
 * @param {number} count - how many images it shows
 * @param {{channels: number, height: number, width: number, palette: string[]}} image
 * @returns {{images: Int16Array[], foreign: {x: number, y: number}[]}} each image as
 *     pixels (C, H, W), -1 if the square of an enlarged pixel has several colours; and
 *     the pixels outside the images that have another colour than the lines
 */
export function cut(png, count, { channels, height, width, palette }) {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const high = rows * (height + LINE) - LINE;
  const wide = columns * (width + LINE) - LINE;
  const scale = Math.max(1, Math.floor(png.width / wide));
  if (png.width !== wide * scale || png.height !== high * scale || png.channels !== channels) {
    throw new EngineError(`the picture is ${png.width}x${png.height}, expected ${wide}x${high} or a multiple of that`);
  }
  const at = (/** @type {number} */ y, /** @type {number} */ x, /** @type {number} */ colour) =>
    square(png, y * scale, x * scale, colour, scale);

  const images = Array.from({ length: count }, (_, i) => {
    const top = Math.floor(i / columns) * (height + LINE);
    const left = (i % columns) * (width + LINE);
    return Int16Array.from({ length: channels * height * width }, (_, place) => {
      const colour = Math.floor(place / (height * width));
      const y = Math.floor(place / width) % height;
      return at(top + y, left + (place % width), colour);
    });
  });

  const between = palette.length ? palette.length % MOST_COLOURS : LINE_GREY;
  const foreign = [];
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const cell = Math.floor(y / (height + LINE)) * columns + Math.floor(x / (width + LINE));
      const isLine = y % (height + LINE) >= height || x % (width + LINE) >= width;
      if (!isLine && cell < count) continue;
      const colours = Array.from({ length: channels }, (_, colour) => at(y, x, colour));
      if (colours.some((value) => value !== between)) foreign.push({ x, y });
    }
  }
  return { images, foreign };
}

/**
 * Whether an indexed picture has a model's colours.
 *
 * @param {Png} png
 * @param {string[]} palette - colours as #rrggbb or #rrggbbaa, one for each value
 * @param {boolean} isSheet - whether it has lines, whose grey stands behind the colours if there is room
 */
export function hasColours({ palette: colours, opacity }, palette, isSheet) {
  const hasGrey = isSheet && palette.length > 0 && palette.length < MOST_COLOURS;
  const expected = hasGrey ? [...palette, "#808080"] : palette;
  return expected.every((colour, value) => {
    const alpha = colour.length > 7 ? parseInt(colour.slice(7), 16) : 255;
    if ((opacity[value] ?? 255) !== alpha) return false;
    return alpha === 0 || colours.slice(6 * value, 6 * value + 6) === colour.slice(1, 7).toLowerCase();
  });
}

/**
 * The value of one pixel that may be enlarged; -1 if its square has several values.
 *
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
