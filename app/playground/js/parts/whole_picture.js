/**
 * The size of a picture that is larger than the model's: whole, made smaller, or
 * cropped to the model's size.
 */

import { el } from "./dom.js";
import { field } from "./fields.js";
import { t } from "../lang.js";
import { encodePicture, MOST_SIDE } from "./picture_file.js";
import { isPaper } from "../service/choice.js";
import { largestHole } from "../pixels/holes.js";
import { canvasOf, cropTo } from "../pixels/raster.js";

/** @import {OwnPicture} from "./picture_file.js" */
/** @import {Model, Size} from "../types" */

/**
 * Largest holes that fit side by side into the picture's width at the size that is
 * chosen first.
 */
const PARTS = 8;

/** A field for the size of the person's own picture. */
export class WholePicture {
  constructor() {
    this.#choice.addEventListener("change", () => {
      this.#wantedSize = this.#choice.value;
      this.onChange();
    });
    this.element.append(this.#hint);
    this.element.hidden = true;
  }

  /** Called when another size is chosen. */
  onChange = () => {};

  #choice = el("select");
  #hint = el("p", { class: "hint" });
  element = field("share", t("Size of the picture"), this.#choice);
  /** @type {OwnPicture | null} */
  #own = null;
  /** The person's choice for this picture; null for none. @type {string | null} */
  #wantedSize = null;

  /**
   * Offer the sizes of a picture for a model. The element is hidden if there is nothing
   * to choose.
   *
   * @param {OwnPicture} own
   * @param {Model} model
   */
  offer(own, model) {
    if (this.#own !== own) this.#wantedSize = null;
    this.#own = own;
    const { bitmap, isSmaller } = own;
    const sizes = wholeSizes(bitmap, model);
    const options = sizes.map((size, i) => new Option(inWords(size), String(2 ** i)));
    this.element.hidden = !options.length || bitmap.width * bitmap.height === model.width * model.height;
    this.#choice.replaceChildren(...options, new Option(t("fitted to {size}", { size: inWords(model) }), ""));
    // Black and white pictures, such as letters, usually fill their whole size.
    const usual = isPaper(model) || !options.length ? "" : String(2 ** usualSize(sizes, model));
    const kept = [...this.#choice.options].find(({ value }) => value === this.#wantedSize);
    this.#choice.value = kept ? kept.value : usual;
    const most = { size: inWords(largestHole(model)) };
    const room = t("A hole may have {size} pixels at most: the smaller the picture, the more of it that is.", most);
    const shrunk = t("The picture was made smaller: at most {side} pixels a side are taken.", { side: MOST_SIDE });
    this.#hint.textContent = isSmaller ? `${shrunk} ${room}` : room;
  }

  /** Return the picture at the chosen size; null if it is cropped to the model's. */
  get picture() {
    const times = Number(this.#choice.value);
    if (this.element.hidden || !times || !this.#own) return null;
    return cropTo(this.#own.bitmap, smaller(this.#own.bitmap, times), times > 1 ? "white" : "transparent");
  }

  /**
   * Return the file to send: the original one if it is small enough and not scaled,
   * else a new one.
   *
   * @param {number} most - Bytes of the file, at most, if that is possible.
   */
  async fileFor(most) {
    const file = this.#choice.value === "1" ? this.#own?.file : null;
    return file && file.size <= most ? file : encodePicture(canvasOf(/** @type {ImageData} */ (this.picture)), most);
  }
}

/**
 * Return the sizes of a picture, halved again and again, into which the model still
 * fits.
 *
 * @param {Size} picture
 * @param {Size} model
 */
function wholeSizes(picture, { width, height }) {
  return [1, 2, 4, 8, 16, 32]
    .map((times) => smaller(picture, times))
    .filter((size) => size.width >= width && size.height >= height);
}

/**
 * Return the index of the size to begin with.
 *
 * It is the first at which the largest hole is at least an eighth of the picture's
 * width, since narrower ones are hard to paint; else the last.
 *
 * @param {Size[]} sizes - The largest first.
 * @param {Size} model
 */
function usualSize(sizes, model) {
  const found = sizes.findIndex(({ width }) => width <= PARTS * largestHole(model).width);
  return found < 0 ? sizes.length - 1 : found;
}

/**
 * Return a size divided by a number, rounded.
 *
 * @param {Size} picture
 * @param {number} times
 */
function smaller({ width, height }, times) {
  return { width: Math.round(width / times), height: Math.round(height / times) };
}

/** @param {Size} size */
function inWords({ width, height }) {
  return `${width} × ${height}`;
}
