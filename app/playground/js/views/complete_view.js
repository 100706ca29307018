/** The view "Complete": a hole in a picture, and the form that fills it. */

import { el, find } from "../parts/dom.js";
import { DrawFields } from "../parts/draw_fields.js";
import { clearTrouble, group, submitRow } from "../parts/fields.js";
import { LabelFields } from "../parts/label_fields.js";
import { t } from "../lang.js";
import { MethodFields } from "../parts/method_fields.js";
import { ModelPicker } from "../parts/model_picker.js";
import { Pad } from "../parts/pad.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { WholePicture } from "../parts/whole_picture.js";
import { holesIn, MOST_HOLES, largestHole } from "../pixels/holes.js";
import { holeOf, maskPicture, pixelsOf, pngOf } from "../pixels/raster.js";
import { kindOf } from "../service/kinds.js";
import { FieldTrouble, Unreachable } from "../service/problems.js";
import { completionOf, cropOf } from "../service/requests.js";
import { DrawingView } from "./drawing_view.js";

/** @import {JobInput, Job, Model, Recipe, HistoryEntry, Settings, Shared} from "../types" */

/** Number of images at first. */
const USUAL = 8;
/** Number of images at first, if they are larger than the model's. */
const FEW = 2;

export class CompleteView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   */
  constructor(element, shared) {
    this.#element = element;
    this.#shared = shared;
    this.#models = new ModelPicker("complete", shared.models);
    this.#fields = new DrawFields(USUAL, shared.info);
    this.#hole = group("mask", t("Picture"), this.#pad.element);
    this.#fields.element.append(this.#method.element);
    this.#pictures.others = this.#models;
    this.#pictures.offerWhole(this.#whole);
    this.#pictures.onChange = (picture) => this.#lay(picture);
    this.#pad.onInk = () => {
      clearTrouble(this.#hole);
      this.#isInkOfJob = false;
      this.#pad.showMean(null);
    };
    const settings = [this.#models, this.#labels, this.#fields].map((part) => part.element);
    const drawer = el("details", { class: "drawer" }, this.#title, ...settings);
    const parts = [this.#hole, submitRow(t("Fill the hole")), this.#pictures.element, this.#whole.element, drawer];
    find(element, "form").append(...parts);
    const suit = (/** @type {Model} */ model) => this.#suit(model);
    this.#drawing = new DrawingView(
      element,
      shared,
      { models: this.#models, labels: this.#labels, pictures: this.#pictures, fields: this.#fields, suit },
      (model) => this.#request(model),
    );
    drawer.after(this.#drawing.code.element);
    this.#drawing.onDraw = () => (this.#isInkOfJob = true);
    this.#drawing.onExpect = (mean, job) => {
      if (this.#isInkOfJob) this.#pad.showMean(mean, job.channels === 1 && !job.palette?.length);
    };
    this.#drawing.onRestore = (job) => this.#method.set(job);
    this.#drawing.onRefill = async ({ mask }) => {
      this.#element.dataset.used = "";
      const hole = mask && holeOf(await pixelsOf(mask));
      if (!hole) return;
      this.#pad.fill((i) => hole[i]);
      this.#isInkOfJob = true;
    };
  }

  #element;
  #shared;
  #models;
  #fields;
  #hole;
  #drawing;
  #pad = new Pad();
  #labels = new LabelFields(false);
  #method = new MethodFields();
  #whole = new WholePicture();
  #pictures = new PicturePicker(t("Choose a picture"), (model) => model, t("Digit {name}", { name: "2" }));
  #title = el("summary", {}, t("Settings"));
  /** True if the pad shows what the job on the board was given, so that its fog fits. */
  #isInkOfJob = false;
  /** Kind of picture and size for which the pad was laid out. */
  #layout = "";
  /** @type {(recipe: Recipe) => unknown} */
  follow = (recipe) => this.#drawing.follow(recipe);
  /** @type {(settings: Settings | HistoryEntry | Job, given: JobInput) => unknown} */
  restore = (settings, given) => this.#drawing.restore(settings, given);

  /** @param {string} jobId - Job to show; "" for none. */
  open(jobId) {
    if (jobId) this.#drawing.open(jobId);
  }

  /** @type {(file: File) => boolean} */
  take = (file) => this.#drawing.take(file);
  /** @type {(url: string, model: string) => void} */
  give = (url, model) => this.#drawing.give(url, model);

  /**
   * Adapt the pad and the fields to the chosen model.
   *
   * @param {Model} model
   */
  #suit(model) {
    const layout = `${kindOf(model)} ${model.width} ${model.height} ${model.channels} ${model.values}`;
    this.#title.textContent = t("Settings: {model}", { model: kindOf(model) });
    if (layout !== this.#layout || this.#pad.isBlank) this.#pictures.suit(model);
    this.#layout = layout;
  }

  /**
   * Put a chosen picture on the pad.
   *
   * @param {ImageData} picture
   */
  #lay(picture) {
    const { model } = this.#models;
    this.#isInkOfJob = false;
    // The images beside it are of another picture.
    delete this.#element.dataset.used;
    if (!model) return;
    const wasWhole = this.#pad.isWhole;
    this.#pad.edit(picture, model);
    const { isWhole } = this.#pad;
    if (wasWhole !== isWhole) this.#fields.begin(isWhole ? FEW : USUAL, 1);
  }

  /**
   * Return the request that the form makes.
   *
   * @param {Model} model
   * @throws {FieldTrouble} if a field is invalid or nothing is unknown; Unreachable if
   *     only a service could draw it.
   */
  async #request(model) {
    await this.#pictures.suiting;
    const settings = { ...this.#fields.read(), ...this.#labels.read() };
    Object.assign(settings, this.#method.read());
    const { unknown } = this.#pad;
    if (!unknown.includes(1))
      throw new FieldTrouble("mask", t("Nothing is marked to be filled yet. Paint a hole first."));
    if (this.#pad.isWhole) return this.#crop(model, unknown, settings);
    const fit = this.#models.fitFor(unknown, model);
    const { picture } = this.#pad;
    const wish = this.#shared.backend.browser.can("complete", fit)
      ? { picture, hole: unknown, ...settings }
      : undefined;
    return { ...(await completionOf(fit, picture, unknown, settings)), wish };
  }

  /**
   * Return the request that fills holes in a larger picture. What the service would
   * refuse is refused here, with a sentence.
   *
   * @param {Model} model
   * @param {Uint8Array} hole
   * @param {{n: number}} settings
   * @throws {FieldTrouble} if a hole is too large or there are too many; Unreachable
   *     without a service.
   */
  async #crop(model, hole, settings) {
    const { api, info, isOnline } = this.#shared;
    if (!api.hasService || !isOnline.value)
      throw new Unreachable(t("Only a service fills holes in larger pictures, and none is there now."));
    const { width, height } = largestHole(model);
    const { count, isLarge } = holesIn(hole, this.#pad.ink, model);
    const near = t("A hole, with those beside it, has {width} × {height} pixels here at most.", { width, height });
    if (isLarge) throw new FieldTrouble("mask", near);
    if (count * settings.n > MOST_HOLES)
      throw new FieldTrouble("mask", t("Holes times images are {most} at most.", { most: MOST_HOLES }));
    const file = await this.#whole.fileFor(info.value?.limits.upload_bytes ?? 2 ** 21);
    return cropOf(model, file, await pngOf(maskPicture(hole, this.#pad.ink)), settings);
  }
}
