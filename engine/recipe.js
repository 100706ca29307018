/**
 * Read from a PNG how it was drawn, and cut a sheet into its images.
 *
 * The text is written by worker/contract/provenance.py, the layout of a sheet by
 * data/images.py.
 */

import { EngineError } from "./files.js";
import { PIXEL_OPTIONS, VERSION } from "./pixel_options.js";
import { packed } from "./png.js";

/** @import {SampleOptions} from "./types" */
/** @import {Png} from "./png.js" */

/** Name of the arithmetic of the engine's loops. */
const NUMERICS = "cpu-compiled";
/** Width of the lines between the images of a sheet, in pixels before enlarging. */
const LINE = 1;
const LINE_GREY = packed(128, 128, 128, 255);
/**
 * Colours of a palette, at most. Such a palette has no room for the grey of the lines,
 * which then have its first colour.
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
 * @param {{height: number, width: number}} image - Size of one image.
 * @returns {Sheet}
 * @throws {EngineError} if the picture does not have the size of a sheet of so many
 *     images, or a multiple of it.
 */
export function sheetOf(png, count, { height, width }) {
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const high = rows * (height + LINE) - LINE;
  const wide = columns * (width + LINE) - LINE;
  const scale = Math.max(1, Math.floor(png.width / wide));
  if (png.width !== wide * scale || png.height !== high * scale) {
    throw new EngineError(`the picture is ${png.width}x${png.height}, expected ${wide}x${high} or a multiple of that`);
  }
  return { count, columns, high, wide, scale };
}

/**
 * Cut a sheet into its images.
 *
 * @param {Uint32Array} pixels - Colours of the whole sheet, as `pixelsOf` returns them.
 * @param {Sheet} sheet
 * @param {{height: number, width: number, palette: string[]}} image - Shape of one image.
 * @returns {{images: Float64Array[], foreign: {x: number, y: number}[]}} `images`: the
 *     colours of each image, -1 if the square of an enlarged pixel has several.
 *     `foreign`: places outside the images, in pixels before enlarging, that do not have
 *     the colour of the lines.
 */
export function cut(pixels, { count, columns, high, wide, scale }, { height, width, palette }) {
  const at = (/** @type {number} */ y, /** @type {number} */ x) =>
    square(pixels, wide * scale, y * scale, x * scale, scale);

  const images = Array.from({ length: count }, (_, i) => {
    const top = Math.floor(i / columns) * (height + LINE);
    const left = (i % columns) * (width + LINE);
    return Float64Array.from({ length: height * width }, (_, place) =>
      at(top + Math.floor(place / width), left + (place % width)),
    );
  });

  const between = palette.length === MOST_COLOURS ? colourOf(palette[0]) : LINE_GREY;
  const foreign = [];
  for (let y = 0; y < high; y++) {
    for (let x = 0; x < wide; x++) {
      const cell = Math.floor(y / (height + LINE)) * columns + Math.floor(x / (width + LINE));
      const isLine = y % (height + LINE) >= height || x % (width + LINE) >= width;
      if (!isLine && cell < count) continue;
      if (at(y, x) !== between) foreign.push({ x, y });
    }
  }
  return { images, foreign };
}

/**
 * Return the colour of one enlarged pixel; -1 if the pixels of its square differ.
 *
 * @param {Uint32Array} pixels
 * @param {number} width - Of the sheet.
 * @param {number} top - Row of the square's first pixel.
 * @param {number} left
 * @param {number} scale - Side of the square in pixels.
 */
function square(pixels, width, top, left, scale) {
  const first = pixels[top * width + left];
  for (let y = top; y < top + scale; y++) {
    for (let x = left; x < left + scale; x++) if (pixels[y * width + x] !== first) return -1;
  }
  return first;
}

/**
 * Return the colour that a picture shows for a pixel of values, as `packed` returns it.
 *
 * @param {Uint8Array} values - (channels, height, width).
 * @param {number} place - Index of the pixel.
 * @param {{channels: number, height: number, width: number, values: number, palette: string[]}} model
 */
export function colourAt(values, place, { channels, height, width, values: levels, palette }) {
  if (palette.length) return colourOf(palette[values[place]]);
  const size = height * width;
  const [red, green, blue] = [0, 1, 2].map((colour) => toByte(values[place + (colour % channels) * size], levels));
  return packed(red, green, blue, 255);
}

/**
 * @param {string} colour - #rrggbb or #rrggbbaa.
 */
function colourOf(colour) {
  const [red, green, blue, opacity = 255] = (colour.slice(1).match(/../g) ?? []).map((pair) => parseInt(pair, 16));
  return packed(red, green, blue, opacity);
}

/**
 * Return the byte, 0 to 255, with which a picture file shows a value.
 *
 * @param {number} value - From 0 to levels - 1.
 * @param {number} levels - Number of values V of the model, at least 2.
 * @returns {number}
 */
const toByte = (value, levels) => Math.floor((value * 255 + Math.floor((levels - 1) / 2)) / (levels - 1));
