/** Where the given picture comes from: one of the examples, or a file of your own, fitted to the model. */

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

/** Between the brightest and the darkest colour of a pixel, in the mean. */
const COLOURFUL = 16;
const LOOKED_AT = { width: 16, height: 16 };
/** The longest side of an icon, in pixels; a picture in colours that is larger is taken for a photograph. */
const ICON_SIDE = 64;

const OWN = t("Your picture");

export class PicturePicker {
  /**
   * @param {string} legend
   * @param {(model: Model) => Size} sizeFor what the model takes here
   * @param {string} first the example to begin with, where there is one of that name
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
  /** Called when a file is no picture; with null when one is. @type {(error: unknown) => void} */
  onTrouble = () => {};
  /** @type {ImageData | null} */
  picture = null;
  /** Of these another model is chosen if the present one would lose a picture's colours. @type {ModelPicker | null} */
  others = null;

  #sizeFor;
  #strip;
  #other;
  #file;
  #name;
  /** Settles when the examples are there that suit the model. */
  suiting = Promise.resolve();
  #taking = new LatestRequest();
  /** @type {Model | null} */
  #model = null;
  /** The file as it came, so that another model can have it in its own size. @type {OwnPicture | null} */
  #own = null;
  /** The model that was chosen before a picture in colours turned the choice. @type {Model | null} */
  #before = null;
  /** @type {WholePicture | null} */
  #whole = null;
  /** What is chosen: the name of an example, or OWN. */
  #chosen;

  /** Pictures as this model takes them. @param {Model} model @param {boolean} isOffered whether none is chosen by itself */
  suit(model, isOffered = false) {
    this.suiting = this.#suit(model, isOffered);
  }

  /** A larger picture of one's own may be given whole. @param {WholePicture} whole */
  offerWhole(whole) {
    this.#whole = whole;
    whole.onChange = () => this.#showChosen();
  }

  /** The model that keeps the colours of the own picture, if the present one would lose them. @returns {Model | null} */
  #fitForColours() {
    if (!this.#own || this.#model?.channels !== 1 || !isColourful(this.#own.bitmap)) return null;
    const { width, height } = this.#own.bitmap;
    const able = this.others?.offered.filter(({ channels }) => channels === 3) ?? [];
    const isLarge = Math.max(width, height) > ICON_SIDE;
    return (isLarge && able.find(drawsPhotographs)) || able[0] || null;
  }

  /** A new picture in colours chooses its model by itself. */
  #turnToColours() {
    const fit = this.#fitForColours();
    this.#before = fit && this.#model;
    if (fit) this.others?.turnTo(fit.name);
  }

  /** Say that the own picture loses its colours here, or that it has chosen another model. */
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

  /** A button that chooses this model. @param {string} text @param {Model} model */
  #chooser(text, model) {
    const turn = () => this.others?.turnTo(model.name);
    return el("button", { type: "button", class: "quiet", on: { click: turn } }, text);
  }

  /** The picture that is chosen, once those that suit the model are there. Throws FieldTrouble. */
  async chosen() {
    await this.suiting;
    if (!this.picture) throw new FieldTrouble("image", t("Choose a picture first."));
    return this.picture;
  }

  /** @param {Model} model @param {boolean} isOffered */
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

  /** The picture of that name, or the first one. @param {string} name */
  #choose(name) {
    const radios = [...this.#strip.querySelectorAll("input")];
    (radios.find((radio) => radio.ariaLabel === name) ?? radios[0])?.click();
  }

  /** @param {string} name @param {ImageData} picture */
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

  /** As the first of the strip, fitted to the model. @param {OwnPicture} own */
  #showOwn(own) {
    const model = /** @type {Model} */ (this.#model);
    this.#strip.querySelector(`[title="${OWN}"]`)?.remove();
    const paper = model.palette?.length ? "transparent" : model.channels === 1 ? "black" : "white"; // as the server has it
    this.#strip.prepend(this.#example(OWN, quantise(cropTo(own.bitmap, this.#sizeFor(model), paper), model)));
    this.#whole?.offer(own, model);
  }

  /** A picture from elsewhere, as if its file had been dropped here. @param {string} url */
  async give(url) {
    this.#taking.start();
    this.#own = { bitmap: await createImageBitmap(await load(url)), file: null, isSmaller: false };
    await this.#showChosen();
  }

  /** The own picture is the one; if no model is there yet, as soon as there is one. */
  async #showChosen() {
    this.#chosen = OWN;
    await this.suiting;
    if (!this.#model || !this.#own) return;
    this.#showOwn(this.#own);
    this.#choose(OWN);
  }

  /** A file of the person's own. @param {File | undefined} file */
  async take(file) {
    if (!file) return;
    const asked = this.#taking.start();
    try {
      const own = await readPicture(file);
      if (asked.aborted) return;
      this.#own = own;
    } catch (error) {
      if (!asked.aborted) this.onTrouble(error);
      return;
    } finally {
      this.#file.value = "";
    }
    this.onTrouble(null);
    this.#turnToColours();
    await this.#showChosen();
  }
}

/** @param {ImageBitmap} bitmap */
function isColourful(bitmap) {
  const { data } = cropTo(bitmap, LOOKED_AT);
  let spread = 0;
  for (let i = 0; i < data.length; i += 4) {
    const colours = [data[i], data[i + 1], data[i + 2]];
    spread += Math.max(...colours) - Math.min(...colours);
  }
  return spread / (data.length / 4) > COLOURFUL;
}
