/** Sample: new images from nothing. */

import { DrawFields } from "./draw_fields.js";
import { DrawingView } from "./drawing_view.js";
import { clearTrouble } from "./fields.js";
import { ModelPicker } from "./model_picker.js";
import { FieldTrouble } from "./problems.js";

/** @import {Shared} from "./drawing_view.js" */
/** @import {Info, Model, Settings} from "./types" */

export class SampleView {
  /** @param {HTMLElement} element @param {Shared} shared */
  constructor(element, shared) {
    const parts = [this.#models.element, this.#fields.element];
    this.#view = new DrawingView(element, shared, parts, "Draw", () => this.#ask());
  }

  #models = new ModelPicker("sample", "No running worker has a model that can draw.");
  #fields = new DrawFields(16);
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

  /** @param {Settings} settings */
  restore(settings) {
    clearTrouble(this.#view.form);
    this.#fields.set(settings);
    if (!this.#models.choose(settings.model)) {
      this.#view.trouble(new FieldTrouble("model", `This was drawn by ${settings.model}, which no worker here has.`));
    }
  }

  async #ask() {
    const { model } = this.#models;
    if (!model) throw new FieldTrouble("model", "There is no model to draw with.");
    return { path: "/sample", body: { model: model.name, ...this.#fields.read() }, given: {} };
  }
}
