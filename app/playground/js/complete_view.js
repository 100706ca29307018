/** Complete: a picture with a hole, and several ways to fill it. */

import { DrawFields } from "./draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { group } from "./fields.js";
import { MaskEditor } from "./mask_editor.js";
import { ModelPicker } from "./model_picker.js";
import { PicturePicker } from "./picture_picker.js";
import { FieldTrouble } from "./problems.js";
import { dataUrlOf, maskPicture, pngOf } from "./raster.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Info, Model} from "./types" */

export class CompleteView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    const hole = group("mask", "Hole", this.#editor.element);
    const parts = [this.#models.element, this.#pictures.element, hole, this.#fields.element];
    this.#view = new DrawingView(element, shared, parts, "Fill the hole", () => this.#ask());
    this.#models.onChange = (model) => this.#pictures.suit(model);
    this.#pictures.onChange = (picture) => this.#editor.edit(picture);
    this.#pictures.onTrouble = (error) => this.#view.trouble(error);
  }

  #models = new ModelPicker("complete", "No running worker has a model that can complete images.");
  #pictures = new PicturePicker("Picture", (model) => model);
  #editor = new MaskEditor();
  #fields = new DrawFields(8);
  #view;

  /** @param {Model[]} models */
  offer(models) {
    this.#models.offer(models);
  }

  /** @param {Info} info */
  limit(info) {
    this.#fields.limit(info);
  }

  /** @param {string} jobId */
  open(jobId) {
    this.#view.open(jobId);
  }

  leave() {
    this.#view.leave();
  }

  async #ask() {
    const { model } = this.#models;
    if (!model) throw new FieldTrouble("model", "There is no model to draw with.");
    const picture = await this.#pictures.chosen();
    const { mask } = this.#editor;
    if (!mask.count) throw new FieldTrouble("mask", "Nothing is marked to be filled yet. Paint a hole first.");
    const { n, seed, temperature } = this.#fields.read();
    return completionOf(model.name, picture, mask.hole, { n, seed, temperature });
  }
}

/**
 * The request that fills a hole, likeliest first.
 *
 * @param {string} model
 * @param {ImageData} picture
 * @param {Uint8Array} hole
 * @param {{n: number, seed: number, temperature: number}} settings
 */
export async function completionOf(model, picture, hole, settings) {
  const mask = maskPicture(hole, picture);
  const body = new FormData();
  body.set("model", model);
  body.set("image", await pngOf(picture), "image.png");
  body.set("mask", await pngOf(mask), "mask.png");
  body.set("rank", "true");
  for (const [name, value] of Object.entries(settings)) body.set(name, String(value));
  return { path: "/complete", body, given: { image: dataUrlOf(picture), mask: dataUrlOf(mask) } };
}
