/** The pictures that the page brings along: strips of squares, cut apart here. */

import { t } from "./lang.js";
import { fitted, load, shipped } from "./raster.js";

/** @import {Model, Size} from "./types" */

const DIGITS = { url: shipped("digits.png"), names: ["7", "6", "2", "5", "3", "0", "8", "9"].map(digit) };
const SCENES = {
  url: shipped("scenes.webp"),
  names: [t("Boat"), t("Dunes"), t("Night"), t("Tree"), t("House"), t("Mountains")],
};

/** @param {string} name */
function digit(name) {
  return t("Digit {name}", { name });
}

/**
 * Pictures that suit the model, at this size.
 *
 * @param {Model} model
 * @param {Size} size
 * @returns {Promise<{name: string, picture: ImageData}[]>}
 */
export async function examplesFor(model, size) {
  const strip = model.channels === 1 ? DIGITS : SCENES;
  const image = await load(strip.url);
  const side = image.height;
  return Promise.all(
    strip.names.map(async (name, i) => {
      const square = await createImageBitmap(image, i * side, 0, side, side);
      return { name, picture: fitted(square, size) };
    }),
  );
}
