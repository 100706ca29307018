/**
 * The view "Sample": new images of one model, and below them the history.
 */

import { el, find, uniqueId } from "../parts/dom.js";
import { DrawFields } from "../parts/draw_fields.js";
import { submitRow } from "../parts/fields.js";
import { HistoryStrip } from "../parts/history_strip.js";
import { icon } from "../parts/icons.js";
import { LabelFields } from "../parts/label_fields.js";
import { t } from "../lang.js";
import { ModelPicker } from "../parts/model_picker.js";
import { settingsFrom } from "../service/settings.js";
import { DrawingView } from "./drawing_view.js";

/** @import {JobInput, Job, Recipe, HistoryEntry, Settings, Shared} from "../types" */

/** Number of images at first. */
const IMAGES = 16;
/** Rows with which a picture of the earlier view Panorama began. */
const FIELD_ROWS = 96;
/** The views at #sample and #history. */
export class SampleView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   */
  constructor(element, shared) {
    this.#shared = shared;
    this.#models = new ModelPicker("sample", shared.models);
    this.#fields = new DrawFields(IMAGES, shared.info);
    const parts = { models: this.#models, labels: this.#labels, fields: this.#fields };
    const form = find(element, "form");
    form.append(this.#models.element, this.#labels.element, this.#fields.element, submitRow(t("Draw")), this.#opener());
    this.#drawing = new DrawingView(element, shared, parts, async ({ name: model }) => {
      const wish = { ...this.#fields.read(), ...this.#labels.read() };
      return { path: "/sample", body: { model, ...wish }, given: {}, wish };
    });
    form.append(this.#drawing.code.element);
    this.#strip = new HistoryStrip(shared);
    element.append(this.#strip.element);
  }

  #shared;
  #models;
  #fields;
  #drawing;
  #strip;
  #labels = new LabelFields(true);
  /**
   * Show a job, or the history.
   *
   * @param {string} jobId - Id of the job; "" for none. Of an earlier view, its settings as a query.
   * @param {string} [_further]
   * @param {string} [name] - "history" to show that.
   */
  open(jobId, _further, name = "") {
    this.#strip.show();
    this.#strip.look();
    if (name === "history") scrollTo(0, this.#strip.element.offsetTop);
    const query = new URLSearchParams(jobId);
    if (!query.has("seed")) return this.#drawing.open(jobId);
    // Addresses of the earlier views Compare and Panorama.
    query.set("model", query.get("models")?.split(",")[0] ?? query.get("model") ?? "");
    if (name === "panorama") query.set("size", `${query.get("width")}x${FIELD_ROWS}`);
    const settings = settingsFrom("sample", new URLSearchParams(`n=1&${query}`));
    if (settings) this.restore(settings, {});
  }

  /**
   * Return a button that opens a picture that was drawn here; the page reads its
   * settings.
   */
  #opener() {
    const file = el("input", { type: "file", id: uniqueId("file"), accept: "image/png,.pxrn", class: "unseen" });
    file.addEventListener("change", () => {
      if (file.files?.[0]) this.#shared.onFile(file.files[0]);
      file.value = "";
    });
    const words = t("Open a picture that was drawn here");
    const label = el("label", { class: "button", for: file.id }, icon("picture"), words);
    return el("div", { class: "drop" }, file, label);
  }

  /** @type {(recipe: Recipe) => unknown} */
  follow = (recipe) => this.#drawing.follow(recipe);
  /** @type {(settings: Settings | HistoryEntry | Job, given: JobInput) => unknown} */
  restore = (settings, given) => this.#drawing.restore(settings, given);
}
