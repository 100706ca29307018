/** Example pictures of the page: strips of square pictures, cut apart here. */

import { pause } from "./api.js";
import { kindOf } from "./kinds.js";
import { t } from "../lang.js";
import { assetUrl } from "../files.js";
import { quantise, cropTo, load } from "../pixels/raster.js";

/** @import {Model, Size} from "../types" */

/** A file with pictures side by side, and the name of each. @typedef {{url: string, names: string[]}} Strip */
/** A picture with its name. @typedef {{name: string, picture: ImageData}} Example */

const DIGITS = { url: assetUrl("digits.png"), names: ["7", "6", "2", "5", "3", "0", "8", "9"].map(digit) };
const SCENES = {
  url: assetUrl("scenes.webp"),
  names: [t("Boat"), t("Dunes"), t("Night"), t("Tree"), t("House"), t("Mountains")],
};
/** Real ones, that the shipped network has not been trained on: from GNU Unifont 15.1, whose licence is the SIL Open Font License 1.1. */
const CHARACTERS = {
  url: assetUrl("characters.webp"),
  names: [
    ..."仍倚傊呍呒咑唁婳媤嫣屇徏憯挕攙曶杌枙榦榴槚檢歏殧沶泐泱泺涶熂牥牬犇獏瑈瓬甄碗穁粍紴絠緌胀苂莨菂藥裲襾觵謖賽责踠蹫辀辦鑰響頬髆鶁鹯",
  ],
};
/** Plans by the rules of examples/maps that no shipped network has been trained on. */
const PLANS = { url: assetUrl("plans.webp"), names: ["1", "2", "3", "4", "5", "6"].map(plan) };
/** Test images of examples/emoji, which no shipped network has been trained on: Noto Emoji by Google, Apache-2.0. */
const EMOJI = {
  url: assetUrl("emoji.png"),
  names: [t("Smiley"), t("Mushroom"), t("Penguin"), t("Pepper"), t("T-shirt"), t("Heart"), t("Duck"), t("Sun")],
};
/** Test sprites of examples/sprites, by DragonDePlatino, in the palette of DawnBringer: CC BY 4.0. */
const SPRITES = { url: assetUrl("sprites.png"), names: [..."12345678"].map((name) => t("Sprite {name}", { name })) };
/** Parts of the photograph of examples/texture, of CC0Textures (CC0), which no network was trained on. */
const STONES = { url: assetUrl("gravel.png"), names: [..."123456"].map((name) => t("Gravel {name}", { name })) };
/** Kind of picture -> strip; other kinds have digits or scenes. @type {Map<string, Strip>} */
const STRIPS = new Map([
  [t("Characters"), CHARACTERS],
  [t("Floor plans"), PLANS],
  [t("Emoji"), EMOJI],
  [t("Sprites"), SPRITES],
  [t("Textures"), STONES],
]);
/** Examples that are offered, at most. */
const SHOWN = 8;
/**
 * Milliseconds before a picture is requested again; each further wait is twice as long.
 */
const FIRST_WAIT_MS = 500;
/** The same, at most: forms wait for the examples. */
const LONGEST_WAIT_MS = 8000;

/**
 * Return the name of a digit.
 *
 * @param {string} name
 */
function digit(name) {
  return t("Digit {name}", { name });
}

/**
 * Return the name of a floor plan.
 *
 * @param {string} name
 */
function plan(name) {
  return t("Floor plan {name}", { name });
}

/**
 * Return a promise of example pictures that suit a model.
 *
 * @param {Model} model
 * @param {Size} size - Size to which they are cropped, in pixels.
 * @returns {Promise<Example[]>} At most 8 pictures, not yet in the model's colours. A
 *     lost connection delays them.
 */
export function examplesFor(model, size) {
  const strip = STRIPS.get(kindOf(model)) ?? (model.channels === 1 ? DIGITS : SCENES);
  return cut(strip, everyFew(strip.names.length), size);
}

/**
 * Return the real characters of a seed, as a model sees them.
 *
 * @param {Model} model
 * @param {number} many - Number of characters, at most as many as the page has.
 * @param {number} seed
 * @returns {Promise<Example[]>}
 */
export async function someCharacters(model, many, seed) {
  const all = CHARACTERS.names.map((_, place) => place);
  const places = shuffle(all, seed).slice(0, many);
  const examples = await cut(CHARACTERS, places, model);
  for (const { picture } of examples) quantise(picture, model);
  return examples;
}

/**
 * Return the items in the random order of a seed, the same everywhere, as a new list.
 *
 * @template T
 * @param {T[]} items
 * @param {number} seed
 * @returns {T[]}
 */
export function shuffle(items, seed) {
  return items
    .map((item, i) => ({ item, key: scattered(scattered(seed) + i) }))
    .sort((a, b) => a.key - b.key)
    .map(({ item }) => item);
}

/**
 * Return a number that looks random and depends on another one only, from 0 to 2^32 - 1.
 *
 * @param {number} number
 */
function scattered(number) {
  let bits = number;
  // Multiplying by an odd number spreads low bits, the shift brings the high ones down.
  for (let round = 0; round < 3; round += 1) bits = Math.imul(bits ^ (bits >>> 15), 0x2c1b3c6d);
  return (bits ^ (bits >>> 15)) >>> 0;
}

/**
 * Return at most SHOWN indices, evenly spread.
 *
 * @param {number} all
 */
function everyFew(all) {
  const many = Math.min(SHOWN, all);
  return Array.from({ length: many }, (_, k) => Math.floor((k * all) / many));
}

/**
 * Load a picture, and try again until it arrives.
 *
 * @param {string} url
 */
async function loadPatiently(url) {
  for (let wait = FIRST_WAIT_MS; ; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    try {
      return await load(url);
    } catch {
      await pause(wait);
    }
  }
}

/**
 * Cut some pictures out of a strip.
 *
 * @param {Strip} strip
 * @param {number[]} places
 * @param {Size} size
 * @returns {Promise<Example[]>}
 */
async function cut({ url, names }, places, size) {
  const image = await loadPatiently(url);
  const side = image.height;
  return Promise.all(
    places.map(async (place) => {
      const square = await createImageBitmap(image, place * side, 0, side, side);
      return { name: names[place], picture: cropTo(square, size, url === SPRITES.url ? "transparent" : "black") };
    }),
  );
}
