/** The pad of the room Draw: the person begins a picture, and the network ends it. */

import { Completions } from "../parts/completions.js";
import { Pad } from "../parts/pad.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { pixelsOf } from "../pixels/raster.js";
import { modelsFor } from "../service/choice.js";
import { kindOf } from "../service/kinds.js";
import { explain } from "../service/problems.js";
import { NO_MODEL } from "../service/words.js";
import { t } from "../lang.js";

/** @import {Model, Shared} from "../types" */

/**
 * A pad with the completions of its ink.
 *
 * The Draw view makes one when the person first draws. `choose(model)` sets what is
 * drawn, `give` puts a picture on the pad, `touch` begins a stroke; `look()` and
 * `leave()` are called when the pad is shown and hidden.
 */
export class InkView {
  /**
   * @param {HTMLElement} desk - Place of the pad.
   * @param {HTMLElement} answers - Place of what the network makes of it.
   * @param {Shared} shared
   */
  constructor(desk, answers, shared) {
    this.#shared = shared;
    this.#completions = new Completions(shared, this.#pad);
    this.#pad.onInk = () => this.#completions.begin();
    this.#pad.onRest = () => this.#completions.rest();
    this.#pictures.onChange = (picture) => this.#pad.copy(picture);
    this.#pictures.onTrouble = (error) => error && this.#completions.say(explain(error).text);
    desk.append(this.#pad.element, this.#pictures.element);
    answers.prepend(this.#completions.element, this.#completions.labels);
  }

  #shared;
  #completions;
  #pad = new Pad();
  #pictures = new PicturePicker(t("Or begin with one of these"), (model) => model);
  /** Kind of picture and size for which the pad was laid out. */
  #layout = "";

  /**
   * Use a model, or a better one of its kind. The ink stays if it fits.
   *
   * @param {Model | null} model - null if there is none.
   */
  choose(model) {
    if (!model) return this.#completions.say(this.#shared.models.value ? NO_MODEL : t("Starting…"));
    const layout = `${kindOf(model)} ${model.width} ${model.height} ${model.channels} ${model.values}`;
    this.#completions.suit(modelsFor("draw", this.#shared.models.value ?? []), model);
    if (layout !== this.#layout) {
      this.#layout = layout;
      this.#pad.open(model);
      this.#completions.begin();
      this.#pictures.suit(model, true);
    }
    this.#completions.look();
  }

  /**
   * Put a picture on the pad. Its transparent pixels are unknown.
   *
   * @param {ImageData | string} picture - The picture, or its data URL.
   * @param {Model} model - Model that draws such pictures.
   * @param {number} [known] - Number of its first pixels that are known, of a picture
   *     that is not finished.
   */
  async give(picture, model, known) {
    const pixels = typeof picture === "string" ? await pixelsOf(picture, model) : picture;
    this.choose(model);
    this.#pad.copy(pixels, known);
  }

  /**
   * Go on with a stroke that began on another canvas at the same place.
   *
   * @param {PointerEvent} event
   */
  touch({ clientX, clientY, pointerId, pointerType }) {
    const where = { clientX, clientY, pointerId, pointerType, button: 0, isPrimary: true };
    this.#pad.paper.dispatchEvent(new PointerEvent("pointerdown", where));
  }

  /** @param {File} file */
  take(file) {
    this.#pictures.take(file);
  }

  look = () => this.#completions.look();
  leave = () => this.#completions.leave();
}
