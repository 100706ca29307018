/**
 * Read from a PNG how it was drawn, and cut a sheet into its images.
 *
 * The text is written by worker/contract/recipe.py, the layout of a sheet by
 * data/images.py.
 */

import { EngineError } from "./files.js";
import { PIXEL_OPTIONS, VERSION } from "./pixel_options.js";

/** @import {SampleOptions} from "./types" */
/** @import {Png} from "./png.js" */

/** Name of the arithmetic of the engine's loops. */
const NUMERICS = "cpu-compiled";
/** Width of the lines between the images of a sheet, in pixels before enlarging. */
const LINE = 1;
const LINE_GREY = 128;
/**
 * Colours of a palette, at most. The grey of the lines stands behind a palette that has
 * room for it; otherwise the lines have the palette's first colour.
 */
const MOST_COLOURS = 256;

/**
 * How the images of a picture were drawn. digest: sha256 of the weights. identity: that of
 * the model, empty in files of earlier versions. options: those with which `Model.sample`
 * draws the images again.
 *
 * @typedef {{model: string, digest: string, identity: string, samples: number, options: SampleOptions & {first: number}}} Recipe
 */
/**
 * The layout of a sheet of `count` images: `columns` of them side by side, so `high` and
 * `wide` in pixels, each of which is enlarged to a square of `scale` pixels a side.
 *
 * @typedef {{count: number, columns: number, high: number, wide: number, scale: number}} Sheet
 */

/**
 * Return how a picture was drawn, from the text of its PNG.
 *
 * @param {Record<string, string>} text - Text chunks of the PNG by keyword, as
 *     `readPng` returns them.
 * @returns {Recipe}
 * @throws {EngineError} if the text does not describe samples, if other arithmetic drew
 *     them, if a later version drew them, or if the seed, the temperature or the
 *     number of an image is invalid. `drawingsOf` checks further bounds.
 */
export function recipeOf(text) {
  if (text.kind !== "sample") {
    throw new EngineError("only samples can be verified: the text in the PNG does not say that it shows samples");
  }
  // A sheet whose images were drawn on several machines names each kind of arithmetic.
  if (text.numerics && !text.numerics.split(", ").includes(NUMERICS)) {
    throw new EngineError(`the picture was drawn with ${text.numerics} numerics: a difference would prove nothing`);
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
    !(Number.isInteger(sample) && sample >= 0) ||
    !(Number.isInteger(samples) && samples >= 1 && samples <= 4096)
  ) {
    throw new EngineError("the text in the PNG about how it was drawn is invalid");
  }
  const drawing = { n: samples, seed: BigInt(text.seed), temperature, first: sample };
  return { model, digest, identity, samples, options: { ...optionsIn(text), ...drawing } };
}

/**
 * Return the options of a sample that change pixels, as far as the text names them.
 *
 * @param {Record<string, string>} text
 * @returns {SampleOptions}
 * @throws {EngineError} if a later version wrote the text: it may name an option that
 *     is unknown here.
 */
function optionsIn(text) {
  if (Number(text.version ?? 1) > VERSION) {
    throw new EngineError(
      "a later version drew the picture, with options that this engine does not know: a difference would prove nothing",
    );
  }
  const found = Object.entries(PIXEL_OPTIONS.sample).map(([name, type]) => [name, valueOf(text, name, type)]);
  return Object.fromEntries(found.filter(([, value]) => value !== undefined));
}

/**
 * Return the value of one option, or undefined if the text does not name it.
 *
 * @param {Record<string, string>} text
 * @param {string} name
 * @param {string} type - Type of the option in PIXEL_OPTIONS.
 */
function valueOf(text, name, type) {
  if (type === "texts" && text[`${name}s`] !== undefined) return namesIn(text[`${name}s`]);
  if (text[name] === undefined) return undefined;
  if (type === "flag") return text[name] === "true";
  return type === "integer" || type === "number" ? Number(text[name]) : text[name];
}

/**
 * Return the names in a JSON list. Raise EngineError if it is none.
 *
 * @param {string} text
 * @returns {string[]}
 */
function namesIn(text) {
  try {
    const names = JSON.parse(text);
    if (Array.isArray(names)) return names.map(String);
  } catch {}
  throw new EngineError("the text in the PNG about how it was drawn is invalid: labels");
}

/**
 * Return the layout of a sheet, a grid of images with lines between them. The pixels
 * are not needed.
 *
 * @param {Png} png
 * @param {number} count - Number of images on the sheet.
 * @param {{channels: number, height: number, width: number}} image - Shape of one image.
 * @returns {Sheet}
 * @throws {EngineError} if the picture does not have the size of a sheet of so many
 *     images, or a multiple of it, or if it has another number of channels than the
 *     images.
 */
export function sheetOf(png, count, { channels, height, width }) {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const high = rows * (height + LINE) - LINE;
  const wide = columns * (width + LINE) - LINE;
  const scale = Math.max(1, Math.floor(png.width / wide));
  if (png.width !== wide * scale || png.height !== high * scale || png.channels !== channels) {
    throw new EngineError(`the picture is ${png.width}x${png.height}, expected ${wide}x${high} or a multiple of that`);
  }
  return { count, columns, high, wide, scale };
}

/**
 * Cut a sheet into its images.
 *
 * @param {Uint8Array} pixels - Those of the whole sheet, in the order (height, width,
 *     channels).
 * @param {Sheet} sheet
 * @param {{channels: number, height: number, width: number, palette: string[]}} image -
 *     Shape of one image; `palette` is empty for a model without categories.
 * @returns {{images: Int16Array[], foreign: {x: number, y: number}[]}} `images`: bytes
 *     or indices of colours of each image in the order (channels, height, width), -1 if
 *     the square of an enlarged pixel has several colours. `foreign`: places outside
 *     the images, in pixels before enlarging, that do not have the colour of the lines.
 */
export function cut(pixels, { count, columns, high, wide, scale }, { channels, height, width, palette }) {
  const whole = { pixels, width: wide * scale, channels };
  const at = (/** @type {number} */ y, /** @type {number} */ x, /** @type {number} */ colour) =>
    square(whole, y * scale, x * scale, colour, scale);

  const images = Array.from({ length: count }, (_, i) => {
    const top = Math.floor(i / columns) * (height + LINE);
    const left = (i % columns) * (width + LINE);
    return Int16Array.from({ length: channels * height * width }, (_, place) => {
      const colour = Math.floor(place / (height * width));
      const y = Math.floor(place / width) % height;
      return at(top + y, left + (place % width), colour);
    });
  });

  // With 256 colours there is no room for the grey, and 256 % 256 is the index of the
  // first colour.
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
 * Return true if a picture has the colours of a model: those of its palette or, for a
 * model without one, no palette.
 *
 * @param {Png} png - Its palette and opacity are compared.
 * @param {string[]} palette - Colours #rrggbb or #rrggbbaa, one for each value; empty
 *     for a model without categories.
 * @param {boolean} isSheet - True if the picture has lines between images, whose grey
 *     stands behind the palette if there is room.
 * @returns {boolean}
 */
export function hasColours({ palette: colours, opacity }, palette, isSheet) {
  if (!palette.length) return colours === "";
  const hasGrey = isSheet && palette.length < MOST_COLOURS;
  const expected = hasGrey ? [...palette, "#808080"] : palette;
  return expected.every((colour, value) => {
    const alpha = colour.length > 7 ? parseInt(colour.slice(7), 16) : 255;
    if ((opacity[value] ?? 255) !== alpha) return false;
    return alpha === 0 || colours.slice(6 * value, 6 * value + 6) === colour.slice(1, 7).toLowerCase();
  });
}

/**
 * Return the byte of one enlarged pixel; -1 if the pixels of its square differ.
 *
 * @param {{pixels: Uint8Array, width: number, channels: number}} whole - The sheet.
 * @param {number} top - Row of the square's first pixel.
 * @param {number} left
 * @param {number} colour
 * @param {number} scale - Side of the square in pixels.
 */
function square({ pixels, width, channels }, top, left, colour, scale) {
  const first = pixels[(top * width + left) * channels + colour];
  for (let y = top; y < top + scale; y++) {
    for (let x = left; x < left + scale; x++) if (pixels[(y * width + x) * channels + colour] !== first) return -1;
  }
  return first;
}

/**
 * Return the byte, 0 to 255, with which a picture file shows a value.
 *
 * @param {number} value - From 0 to levels - 1.
 * @param {number} levels - Number of values V of the model, at least 2.
 * @returns {number}
 */
export const toByte = (value, levels) => Math.floor((value * 255 + Math.floor((levels - 1) / 2)) / (levels - 1));
