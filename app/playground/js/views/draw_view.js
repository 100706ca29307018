/**
 * The view "Draw with it": a pad, and two uses of the picture on it
 * (service/draw_modes.js).
 */

import { el, find, uniqueId } from "../parts/dom.js";
import { DrawFields } from "../parts/draw_fields.js";
import { Completions } from "../parts/completions.js";
import { clearTrouble, group, submitRow } from "../parts/fields.js";
import { firstOfEach, KindPicker } from "../parts/kind_picker.js";
import { LabelFields } from "../parts/label_fields.js";
import { t } from "../lang.js";
import { MethodFields } from "../parts/method_fields.js";
import { ModelPicker } from "../parts/model_picker.js";
import { Pad } from "../parts/pad.js";
import { PicturePicker } from "../parts/picture_picker.js";
import { WholePicture } from "../parts/whole_picture.js";
import { holesIn, MOST_HOLES, largestHole } from "../pixels/holes.js";
import { holeOf, maskPicture, pixelsOf, pngOf } from "../pixels/raster.js";
import { modelsFor } from "../service/choice.js";
import { kindOf } from "../service/kinds.js";
import { FieldTrouble, Unreachable } from "../service/problems.js";
import { completionOf, cropOf } from "../service/requests.js";
import { BEGIN, COMPLETE, DRAW_MODES } from "../service/draw_modes.js";
import { NO_MODEL } from "../service/words.js";
import { DrawingView } from "./drawing_view.js";

/** @import {JobInput, Job, Model, Recipe, HistoryEntry, Settings, Shared} from "../types" */
/** @import {DrawMode} from "../service/draw_modes.js" */

/** Number of images at first. */
const USUAL = 8;
/** The screen of a phone, as in css/media.css. */
const NARROW = "(max-width: 700px)";
/** Number of images at first, if they are larger than the model's. */
const FEW = 2;

/**
 * The views at #ink and #complete, which share one section and one pad.
 *
 * rooms.js makes one when one of them is first opened. In the mode "ink" completions
 * are drawn while the person paints; in the other a form draws them. Methods: those of
 * `ViewInstance` in types.d.ts. Errors are shown as sentences.
 */
export class DrawView {
  /**
   * @param {HTMLElement} element - Section of the view.
   * @param {Shared} shared - State and services of the page.
   * @param {DrawMode} mode - Use of the pad at first.
   */
  constructor(element, shared, mode) {
    this.#element = element;
    this.#shared = shared;
    this.#mode = mode;
    this.#models = new ModelPicker("complete", shared.models, isFitFor(mode));
    this.#fields = new DrawFields(USUAL, shared.info);
    this.#completions = new Completions(shared, this.#pad);
    this.#hole = group("mask", t("Picture"), this.#pad.element, this.#completions.labels);
    this.#kinds.onChoose = (name) => this.#models.turnTo(name);
    this.#fields.element.append(this.#method.element);
    this.#pictures.others = this.#models;
    this.#pictures.offerWhole(this.#whole);
    this.#pictures.onChange = (picture) => this.#lay(picture);
    this.#pad.onInk = () => this.#onInk();
    this.#pad.onRest = () => this.#isLive && this.#completions.rest();
    const [form, stage] = [find(element, "form"), find(element, ".stage")];
    const settings = [this.#models, this.#labels, this.#fields].map((part) => part.element);
    const drawer = el("details", { class: "drawer" }, this.#title, ...settings);
    // On a phone the paper must stand above the explanation.
    stage.append(this.#completions.element, find(form, ".lead"));
    form.append(
      el("div", { class: "heading" }, find(form, "h1"), this.#kindRow),
      el("div", { class: "easel" }, this.#hole, submitRow("")),
      el("div", { class: "more" }, this.#pictures.element, this.#whole.element, drawer),
    );
    this.#narrow.addEventListener("change", () => this.#arrange());
    this.#arrange();
    stage.classList.add("explained");
    element.classList.add("watch");
    this.#render();
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
      if (this.#isInkOfJob && !this.#isLive) this.#pad.showMean(mean, job.channels === 1 && !job.palette?.length);
    };
    this.#drawing.onRestore = (job) => {
      this.#switchTo(COMPLETE);
      this.#method.set(job);
    };
    this.#drawing.onRefill = async ({ mask }) => {
      this.#element.dataset.used = "";
      const hole = mask && holeOf(await pixelsOf(mask));
      if (!hole) return;
      this.#pad.fill((i) => hole[i]);
      this.#isInkOfJob = true;
    };
    shared.models.watch((held) => !this.#models.model && this.#completions.say(held ? NO_MODEL : t("Starting…")));
  }

  #element;
  #shared;
  /** Present use of the pad. */
  #mode;
  #models;
  #fields;
  #completions;
  #hole;
  #drawing;
  #pad = new Pad();
  #labels = new LabelFields(false);
  #method = new MethodFields();
  #whole = new WholePicture();
  #pictures = new PicturePicker(t("Begin with one of these"), (model) => model, t("Digit {name}", { name: "2" }));
  #title = el("summary", {}, t("Settings"));
  #kindRow = el("fieldset", { class: "kinds" }, el("legend", { class: "unseen" }, t("What is drawn")));
  #kinds = new KindPicker(this.#kindRow, uniqueId("kind"));
  /** True if the pad shows what the job on the board was given, so that its fog fits. */
  #isInkOfJob = false;
  /** Kind of picture and size for which the pad was laid out. */
  #layout = "";
  #narrow = matchMedia(NARROW);
  leave = () => this.#completions.leave();
  /** @type {(recipe: Recipe) => unknown} */
  follow = (recipe) => this.#drawing.follow(recipe);
  /** @type {(settings: Settings | HistoryEntry | Job, given: JobInput) => unknown} */
  restore = (settings, given) => this.#drawing.restore(settings, given);

  /**
   * Arrange the parts: on a phone the paper comes first, with the completions below it,
   * and the tools follow.
   */
  #arrange() {
    const [pad, paper] = [this.#pad.element, find(this.#pad.element, ".paper")];
    const bars = this.#completions.labels;
    if (this.#narrow.matches) {
      pad.prepend(paper, this.#completions.strip, bars);
      return;
    }
    find(pad, ".palette").after(paper);
    pad.after(bars);
    this.#completions.takeStrip();
  }

  /** Return true if completions are drawn while the person paints. */
  get #isLive() {
    return this.#mode === BEGIN;
  }

  /**
   * Show the view.
   *
   * @param {string} jobId - Job to show; "" for none.
   * @param {string} [_further]
   * @param {string} [name] - Name of the mode.
   */
  open(jobId, _further, name) {
    this.#switchTo(DRAW_MODES.find(({ place }) => place === name) ?? BEGIN);
    if (jobId) this.#drawing.open(jobId);
    else if (this.#isLive) this.#completions.look();
  }

  /**
   * Use a picture file.
   *
   * @param {File} file
   */
  take(file) {
    if (this.#isLive) {
      this.#switchTo(COMPLETE);
      location.hash = COMPLETE.place;
    }
    return this.#drawing.take(file);
  }

  /**
   * Use a picture of the page. In the mode "ink" its transparent pixels are unknown.
   *
   * @param {string} url - Data URL of the picture.
   * @param {string} model - Name of the model to choose.
   * @param {string} name - Name of the mode.
   * @param {number} [known] - Number of its first pixels that are known, of a picture
   *     that is not finished.
   */
  async give(url, model, name, known) {
    this.#switchTo(DRAW_MODES.find(({ place }) => place === name) ?? COMPLETE);
    if (!this.#isLive) return this.#drawing.give(url, model);
    const found = this.#models.offered.find((one) => one.name === model);
    if (!found) return;
    this.#models.turnTo(model);
    this.#pad.copy(await pixelsOf(url, found), known);
  }

  /**
   * Switch to another use of the pad. The picture stays if it fits.
   *
   * @param {DrawMode} mode
   */
  #switchTo(mode) {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#completions.leave();
    delete this.#element.dataset.used;
    this.#render();
    this.#models.offerFor(isFitFor(mode));
    if (this.#models.model) this.#suit(this.#models.model);
  }

  /** Show the texts and fields of the present mode. */
  #render() {
    const { place, title, lead = "", empty = "", verb = "" } = this.#mode;
    const words = { h1: title, ".lead": lead, ".empty p": empty, "button.primary": verb };
    for (const [name, text] of Object.entries(words)) find(this.#element, name).textContent = text;
    this.#element.dataset.mode = place;
    this.#fields.begin(USUAL, 1);
    this.#method.element.hidden = this.#isLive;
    this.#whole.isWanted = !this.#isLive;
  }

  /**
   * Adapt the pad and the fields to the chosen model.
   *
   * @param {Model} model
   */
  #suit(model) {
    const { offered } = this.#models;
    const kinds = firstOfEach(offered);
    const layout = `${kindOf(model)} ${model.width} ${model.height} ${model.channels} ${model.values}`;
    const isKept = layout === this.#layout && !(this.#isLive && this.#pad.isWhole);
    this.#title.textContent = t("Settings: {model}", { model: kindOf(model) });
    this.#kinds.offer(kinds, kinds.find((one) => kindOf(one) === kindOf(model)) ?? null);
    this.#completions.suit(offered, model);
    this.#layout = layout;
    if (this.#isLive && !isKept) {
      this.#isInkOfJob = false;
      this.#pad.open(model);
      this.#completions.begin();
    }
    if (!isKept || (!this.#isLive && this.#pad.isBlank)) this.#pictures.suit(model, this.#isLive);
    if (this.#isLive && !this.#element.hidden) this.#completions.look();
  }

  /**
   * Put a chosen picture on the pad.
   *
   * @param {ImageData} picture - The chosen picture.
   */
  #lay(picture) {
    const { model } = this.#models;
    this.#isInkOfJob = false;
    // The images beside it are of another picture.
    delete this.#element.dataset.used;
    if (this.#isLive) return this.#pad.copy(picture);
    if (!model) return;
    const wasWhole = this.#pad.isWhole;
    this.#pad.edit(picture, model);
    const { isWhole } = this.#pad;
    if (wasWhole !== isWhole) this.#fields.begin(isWhole ? FEW : USUAL, 1);
  }

  /** Handle a change of the ink. */
  #onInk() {
    clearTrouble(this.#hole);
    this.#isInkOfJob = false;
    if (this.#isLive) this.#completions.begin();
    else this.#pad.showMean(null);
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

/**
 * Return a function that says whether a model suits a mode.
 *
 * @param {DrawMode} mode
 * @returns {(model: Model) => boolean}
 */
function isFitFor(mode) {
  return (model) => mode !== BEGIN || modelsFor("draw", [model]).length > 0;
}
