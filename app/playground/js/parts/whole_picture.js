/** A picture of one's own that is larger than the model: given whole, as it is or made smaller, or fitted to the model. */

import { el } from "./dom.js";
import { field } from "./fields.js";
import { t } from "../lang.js";
import { encodePicture, MOST_SIDE } from "./picture_file.js";
import { isPaper } from "../service/choice.js";
import { largestHole } from "../pixels/holes.js";
import { canvasOf, cropTo } from "../pixels/raster.js";

/** @import {OwnPicture} from "./picture_file.js" */
/** @import {Model, Size} from "../types" */

/** Largest holes that lie beside each other in the width of a picture, at first. */
const PARTS = 8;

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
  /** Whether it may be given whole at all. */
  isWanted = false;
  /** @type {OwnPicture | null} */
  #own = null;
  /** What was chosen for this picture; null if nothing was. @type {string | null} */
  #wantedSize = null;

  /** @param {OwnPicture} own @param {Model} model */
  offer(own, model) {
    if (this.#own !== own) this.#wantedSize = null;
    this.#own = own;
    const { bitmap, isSmaller } = own;
    const sizes = wholeSizes(bitmap, model);
    const options = sizes.map((size, i) => new Option(inWords(size), String(2 ** i)));
    this.element.hidden =
      !this.isWanted || !options.length || bitmap.width * bitmap.height === model.width * model.height;
    this.#choice.replaceChildren(...options, new Option(t("fitted to {size}", { size: inWords(model) }), ""));
    const usual = isPaper(model) || !options.length ? "" : String(2 ** usualSize(sizes, model)); // letters fill theirs
    const kept = [...this.#choice.options].find(({ value }) => value === this.#wantedSize);
    this.#choice.value = kept ? kept.value : usual;
    const most = { size: inWords(largestHole(model)) };
    const room = t("A hole may have {size} pixels at most: the smaller the picture, the more of it that is.", most);
    const shrunk = t("The picture was made smaller: at most {side} pixels a side are taken.", { side: MOST_SIDE });
    this.#hint.textContent = isSmaller ? `${shrunk} ${room}` : room;
  }

  /** As large as it was chosen; null where it is fitted. */
  get picture() {
    const times = Number(this.#choice.value);
    if (this.element.hidden || !times || !this.#own) return null;
    return cropTo(this.#own.bitmap, smaller(this.#own.bitmap, times), times > 1 ? "white" : "transparent");
  }

  /** What is sent of it, in so many bytes at most: the file as it came, where that is small enough. @param {number} most */
  async fileFor(most) {
    const file = this.#choice.value === "1" ? this.#own?.file : null;
    return file && file.size <= most ? file : encodePicture(canvasOf(/** @type {ImageData} */ (this.picture)), most);
  }
}

/** Halves of a picture that the model still fits into. @param {Size} picture @param {Size} model */
function wholeSizes(picture, { width, height }) {
  return [1, 2, 4, 8, 16, 32]
    .map((times) => smaller(picture, times))
    .filter((size) => size.width >= width && size.height >= height);
}

/**
 * The index of the size to begin with: the first in which the largest hole is an eighth of the picture's width, else the
 * last. In a larger one that hole would be narrower on the screen than a pen.
 *
 * @param {Size[]} sizes the largest first
 * @param {Size} model
 */
function usualSize(sizes, model) {
  const found = sizes.findIndex(({ width }) => width <= PARTS * largestHole(model).width);
  return found < 0 ? sizes.length - 1 : found;
}

/** @param {Size} picture @param {number} times */
function smaller({ width, height }, times) {
  return { width: Math.round(width / times), height: Math.round(height / times) };
}

/** @param {Size} size */
function inWords({ width, height }) {
  return `${width} × ${height}`;
}
