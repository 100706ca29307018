/** Choose a picture: an example, or a file, cropped to the model's size. */

import { el, uniqueId } from "./dom.js";
import { examplesFor } from "../service/examples.js";
import { group } from "./fields.js";
import { icon } from "./icons.js";
import { drawsPhotographs, kindOf } from "../service/kinds.js";
import { t } from "../lang.js";
import { readPicture } from "./picture_file.js";
import { FieldTrouble } from "../service/problems.js";
import { quantise, canvasOf, cropTo, load } from "../pixels/raster.js";
import { LatestRequest } from "../signal.js";

/** @import {ModelPicker} from "./model_picker.js" */
/** @import {OwnPicture} from "./picture_file.js" */
/** @import {WholePicture} from "./whole_picture.js" */
/** @import {Model, Size} from "../types" */

/**
 * Mean difference between the brightest and the darkest colour of a pixel, in a byte's
 * units, above which a picture counts as coloured.
 */
const COLOURFUL = 16;
/** Size to which a picture is scaled to decide that. */
const LOOKED_AT = { width: 16, height: 16 };
/**
 * Longest side of an icon in pixels; a larger coloured picture counts as a photograph.
 */
const ICON_SIDE = 64;

/** Name of the person's own picture among the examples. */
const OWN = t("Your picture");

/**
 * A strip of example pictures and a button for a file. A picture in colours may choose
 * another model of `others`.
 */
export class PicturePicker {
  /**
   * @param {string} legend - Text above the strip.
   * @param {(model: Model) => Size} sizeFor - Returns the size of the pictures that a
   *     model takes.
   * @param {string} first - Name of the example that is chosen first; without one of
   *     that name, the first example is.
   */
  constructor(legend, sizeFor, first = "") {
    this.#sizeFor = sizeFor;
    this.#chosen = first;
    this.#strip = el("div", { class: "examples" });
    this.#file = el("input", { type: "file", accept: "image/png,image/jpeg,image/webp", class: "unseen" });
    this.#file.id = uniqueId("file");
    this.#file.addEventListener("change", () => this.take(this.#file.files?.[0]));
    const words = t("Choose, drop or paste a picture");
    const label = el("label", { class: "button", for: this.#file.id }, icon("picture"), words);
    this.#other = el("p", { class: "hint other", role: "status", hidden: true });
    this.element = group("image", legend, this.#strip, el("div", { class: "drop" }, this.#file, label), this.#other);
    this.#name = uniqueId("example");
  }

  /**
   * Called with the picture as the model sees it, whenever there is another one.
   *
   * @type {(picture: ImageData) => void}
   */
  onChange = () => {};
  /** Called with an error if a file is no picture, and with null if it is one. @type {(error: unknown) => void} */
  onTrouble = () => {};
  /** @type {ImageData | null} */
  picture = null;
  /** Models from which one is chosen if the present one would lose a picture's colours. @type {ModelPicker | null} */
  others = null;

  #sizeFor;
  #strip;
  #other;
  #file;
  #name;
  /** Settles when the examples for the model are shown. */
  suiting = Promise.resolve();
  #taking = new LatestRequest();
  /** @type {Model | null} */
  #model = null;
  /** The person's picture, uncropped, so that it can be cropped again for another model. @type {OwnPicture | null} */
  #own = null;
  /** The model before a coloured picture chose another one. @type {Model | null} */
  #before = null;
  /** @type {WholePicture | null} */
  #whole = null;
  /** Name of the chosen example, or OWN. */
  #chosen;

  /**
   * Show pictures for a model.
   *
   * @param {Model} model
   * @param {boolean} isOffered - True if no picture is chosen until the person does.
   */
  suit(model, isOffered = false) {
    this.suiting = this.#suit(model, isOffered);
  }

  /**
   * Let a larger picture be used whole instead of cropped.
   *
   * @param {WholePicture} whole
   */
  offerWhole(whole) {
    this.#whole = whole;
    whole.onChange = () => this.#showChosen();
  }

  /**
   * Return a model that keeps the colours of the person's picture, if the present one
   * would lose them; else null.
   *
   * @returns {Model | null}
   */
  #fitForColours() {
    if (!this.#own || this.#model?.channels !== 1 || !isColourful(this.#own.bitmap)) return null;
    const { width, height } = this.#own.bitmap;
    const able = this.others?.offered.filter(({ channels }) => channels === 3) ?? [];
    const isLarge = Math.max(width, height) > ICON_SIDE;
    return (isLarge && able.find(drawsPhotographs)) || able[0] || null;
  }

  /** Let a new coloured picture choose its model. */
  #turnToColours() {
    const fit = this.#fitForColours();
    this.#before = fit && this.#model;
    if (fit) this.others?.turnTo(fit.name);
  }

  /** Say that the picture loses its colours, or that it has chosen another model. */
  #suggest() {
    const isOwn = this.#chosen === OWN;
    const fit = isOwn ? this.#fitForColours() : null;
    const before = isOwn && this.#model?.channels === 3 ? this.#before : null;
    this.#other.hidden = !fit && !before;
    if (fit) {
      const words = t("This is a picture of colours, and the model knows none.");
      this.#other.replaceChildren(words, " ", this.#chooser(t("Use {model}", { model: kindOf(fit) }), fit));
    } else if (before && this.#model) {
      const kinds = { before: kindOf(before), after: kindOf(this.#model) };
      const words = t("Your picture has colours, and {before} knows none: {after} was chosen for it.", kinds);
      this.#other.replaceChildren(words, " ", this.#chooser(t("Back to {before}", kinds), before));
    }
  }

  /**
   * @param {string} text
   * @param {Model} model
   */
  #chooser(text, model) {
    const turn = () => this.others?.turnTo(model.name);
    return el("button", { type: "button", class: "quiet", on: { click: turn } }, text);
  }

  /**
   * Return the chosen picture, as the model sees it, when the examples are shown.
   *
   * @throws {FieldTrouble} if no picture is chosen.
   */
  async chosen() {
    await this.suiting;
    if (!this.picture) throw new FieldTrouble("image", t("Choose a picture first."));
    return this.picture;
  }

  /**
   * Show the examples for a model.
   *
   * @param {Model} model
   * @param {boolean} isOffered
   */
  async #suit(model, isOffered) {
    this.#model = model;
    const size = this.#sizeFor(model);
    const examples = await examplesFor(model, size);
    if (this.#model !== model) return;
    this.#strip.replaceChildren(...examples.map(({ name, picture }) => this.#example(name, quantise(picture, model))));
    const wanted = this.#chosen;
    if (this.#own) this.#showOwn(this.#own);
    if (!isOffered) this.#choose(wanted);
  }

  /**
   * Choose the picture of a name, or the first one.
   *
   * @param {string} name
   */
  #choose(name) {
    const radios = [...this.#strip.querySelectorAll("input")];
    (radios.find((radio) => radio.ariaLabel === name) ?? radios[0])?.click();
  }

  /**
   * @param {string} name
   * @param {ImageData} picture
   */
  #example(name, picture) {
    const radio = el("input", { type: "radio", name: this.#name, "aria-label": name });
    radio.addEventListener("change", () => {
      this.#chosen = name;
      this.#suggest();
      this.picture = (name === OWN && this.#whole?.picture) || picture;
      this.onChange(this.picture);
    });
    return el("label", { class: "example", title: name }, radio, canvasOf(picture));
  }

  /**
   * Show the person's picture as the first of the strip.
   *
   * @param {OwnPicture} own
   */
  #showOwn(own) {
    const model = /** @type {Model} */ (this.#model);
    this.#strip.querySelector(`[title="${OWN}"]`)?.remove();
    // The server puts the same colours behind transparent pixels.
    const paper = model.palette?.length ? "transparent" : model.channels === 1 ? "black" : "white";
    this.#strip.prepend(this.#example(OWN, quantise(cropTo(own.bitmap, this.#sizeFor(model), paper), model)));
    this.#whole?.offer(own, model);
  }

  /**
   * Use a picture of the page as if its file had been dropped here.
   *
   * @param {string} url - Data URL of the picture.
   * @returns {Promise<boolean>} False if another picture was given or chosen meanwhile.
   * @throws {EncodingError} if it is no picture.
   */
  async give(url) {
    const signal = this.#taking.start();
    const bitmap = await createImageBitmap(await load(url));
    if (signal.aborted) return false;
    this.#own = { bitmap, file: null, isSmaller: false };
    await this.#showChosen();
    return !signal.aborted;
  }

  /** Choose the person's picture, as soon as a model is known. */
  async #showChosen() {
    this.#chosen = OWN;
    await this.suiting;
    if (!this.#model || !this.#own) return;
    this.#showOwn(this.#own);
    this.#choose(OWN);
  }

  /**
   * Use a file. If it is no picture, `onTrouble` is called.
   *
   * @param {File | undefined} file
   */
  async take(file) {
    if (!file) return;
    const signal = this.#taking.start();
    try {
      const own = await readPicture(file);
      if (signal.aborted) return;
      this.#own = own;
    } catch (error) {
      if (!signal.aborted) this.onTrouble(error);
      return;
    } finally {
      this.#file.value = "";
    }
    this.onTrouble(null);
    this.#turnToColours();
    await this.#showChosen();
  }
}

/**
 * Return true if a picture is coloured.
 *
 * @param {ImageBitmap} bitmap
 */
function isColourful(bitmap) {
  const { data } = cropTo(bitmap, LOOKED_AT);
  let spread = 0;
  for (let i = 0; i < data.length; i += 4) {
    const colours = [data[i], data[i + 1], data[i + 2]];
    spread += Math.max(...colours) - Math.min(...colours);
  }
  return spread / (data.length / 4) > COLOURFUL;
}
