/** Upsample: large images that a Multi-Scale model draws from a small one. */

import { DrawFields } from "./draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { ModelPicker } from "./model_picker.js";
import { PicturePicker } from "./picture_picker.js";
import { FieldTrouble } from "./problems.js";
import { dataUrlOf, pngOf } from "./raster.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Info, Model} from "./types" */

const NOBODY = "No running worker has a Multi-Scale model, which is what makes large images of small ones.";

export class UpsampleView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    const parts = [this.#models.element, this.#pictures.element, this.#fields.element];
    this.#view = new DrawingView(element, shared, parts, "Enlarge", () => this.#ask());
    this.#models.onChange = (model) => this.#pictures.suit(model);
    this.#pictures.onTrouble = (error) => this.#view.trouble(error);
  }

  #models = new ModelPicker("upsample", NOBODY);
  #pictures = new PicturePicker("Small picture", ({ small_width, small_height }) => ({
    width: small_width,
    height: small_height,
  }));
  #fields = new DrawFields(4);
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
    if (!model) throw new FieldTrouble("model", NOBODY);
    const picture = await this.#pictures.chosen();
    const body = new FormData();
    body.set("model", model.name);
    body.set("image", await pngOf(picture), "image.png");
    for (const [name, value] of Object.entries(this.#fields.read())) body.set(name, String(value));
    return { path: "/upsample", body, given: { image: dataUrlOf(picture) } };
  }
}
