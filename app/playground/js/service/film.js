/** A recorded drawing, for as long as no engine is ready. docs/make_films.py says what stands in the files. */

import { Futures } from "./futures.js";
import { shipped } from "../files.js";
import { pixelsOf } from "../pixels/raster.js";

/** @import {Written} from "./written.js" */

const NAMES = ["digit", "character"];
const SHOWN = 3;
const EVERY = 2;
const UNITS = 4096;

/** One film after the other. @param {number} number @returns {Promise<{written: Written, futures: Futures}>} */
export async function film(number) {
  const strip = await pixelsOf(shipped(`film-${NAMES[number % NAMES.length]}.webp`));
  const side = strip.width;
  const square = (/** @type {number} */ k) =>
    new ImageData(strip.data.slice(4 * side * side * k, 4 * side * side * (k + 1)), side);
  const [picture, high, low] = [square(0), square(1), square(2)];
  const bits = Array.from({ length: side * side }, (_, i) => (256 * high.data[4 * i] + low.data[4 * i]) / UNITS);
  const fogs = Array.from({ length: Math.ceil(side / EVERY) }, (_, k) => {
    const [mean, ...endings] = Array.from({ length: 1 + SHOWN }, (_, i) => square(3 + k * (1 + SHOWN) + i));
    return { from: EVERY * k * side, mean, endings };
  });
  const total = bits.reduce((sum, cost) => sum + cost, 0);
  const written = { address: "", picture, isBinary: true, bits, total, rarity: null, isHere: false };
  return { written, futures: new Futures(picture, fogs, null) };
}
