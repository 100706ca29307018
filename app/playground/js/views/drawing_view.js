/** What the views that draw have in common: a form on the left, the job on the right. */

import { receiptOf } from "../service/api.js";
import { el, find } from "../parts/dom.js";
import { clearTrouble, forgetTrouble, showTrouble, submitRow } from "../parts/fields.js";
import { remembered } from "../service/history.js";
import { kindOf } from "../service/kinds.js";
import { showPicture } from "../parts/model_picker.js";
import { JobBoard } from "../parts/job_board.js";
import { t } from "../lang.js";
import { FieldTrouble, Unreachable } from "../service/problems.js";

/** @import {Api} from "../service/api.js" */
/** @import {DrawFields} from "../parts/draw_fields.js" */
/** @import {History} from "../service/history.js" */
/** @import {LabelFields} from "../parts/label_fields.js" */
/** @import {ModelPicker} from "../parts/model_picker.js" */
/** @import {PicturePicker} from "../parts/picture_picker.js" */
/** @import {Signal} from "../signal.js" */
/** @import {Given, Info, Job, Model, Recipe, Remembered, Settings, Shared} from "../types" */

/**
 * @typedef {object} Parts of the form
 * @property {ModelPicker} models
 * @property {LabelFields} [labels]
 * @property {PicturePicker} [pictures]
 * @property {HTMLElement} [pad] where it is painted on: that stands before the model then, because it is the work
 * @property {DrawFields} fields
 *
 * @typedef {object} Request what a form asks for
 * @property {string} path
 * @property {Record<string, any> | FormData} body
 * @property {Given} given
 */

const HARDER = 4;

export class DrawingView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   * @param {Parts} parts
   * @param {string} verb what stands on the button
   * @param {(model: Model) => Promise<Request>} ask reads the form; may throw FieldTrouble
   */
  constructor(element, shared, parts, verb, ask) {
    this.#element = element;
    this.#shared = shared;
    this.#parts = parts;
    this.#ask = ask;
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    const { models, labels, pictures, pad, fields } = parts;
    const own = pictures ? [pictures.element] : [];
    const choice = labels ? [models.element, labels.element] : [models.element];
    const title = el("summary", {}, t("Settings"));
    if (pad) {
      const drawer = el("details", { class: "drawer" }, title, ...choice, fields.element);
      this.#form.append(pad, ...own, submitRow(verb), drawer);
    } else this.#form.append(...choice, ...own, fields.element, submitRow(verb));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.onSubmit();
    });
    forgetTrouble(this.#form, shared.isOnline);
    models.onChange = (model) => {
      title.textContent = t("Settings: {model}", { model: kindOf(model) });
      showPicture(find(element, ".empty > span"), model.name);
      pictures?.suit(model);
      labels?.suit(model);
    };
    if (pictures) {
      pictures.onTrouble = (error) => (error ? showTrouble(this.#form, error) : clearTrouble(pictures.element));
      pictures.offerOthers(models);
    }
    this.#board = new JobBoard(shared);
    this.#board.onFound = (job, given) => this.#found(job, given);
    this.#board.onExpect = (mean, job) => this.onExpect(mean, job);
    this.#board.onHarder = (job, given) => this.#drawHarder(job, given);
    find(element, ".stage").append(this.#board.element);
    shared.models.watch((held) => held && this.#begin());
  }

  /** Called when the button is pressed. @type {() => unknown} */
  onSubmit = () => this.draw(null);

  /**
   * Called when a job is put back into the form: with what it began with, and how it was drawn.
   *
   * @type {(given: Given, settings: Partial<Settings>) => unknown}
   */
  onRefill = () => null;
  /** Called with what is expected of each pixel of a completion. @type {(mean: ImageData, job: Job) => void} */
  onExpect = () => {};

  #element;
  #shared;
  #parts;
  #ask;
  #form;
  #board;
  /** The job that the form asked for last. */
  #asked = "";

  /** A file for the picture that is asked for. @param {File} file @returns {boolean} whether one is */
  take(file) {
    this.#parts.pictures?.take(file);
    return Boolean(this.#parts.pictures);
  }

  /** The same with a picture of the page, for this model if it is there. @param {string} url @param {string} model */
  give(url, model) {
    this.#parts.models.choose(model);
    this.#parts.pictures?.give(url);
  }

  /** Show a job; one that was not asked for just now brings its settings along. @param {string} jobId */
  open(jobId) {
    if (!jobId) return this.#begin();
    this.#element.dataset.used = "";
    const kept = this.#shared.history.get(jobId);
    if (kept && jobId !== this.#asked) {
      this.#asked = jobId;
      this.restore(kept, kept.given);
    }
    this.#board.watch(jobId);
  }

  /** Draw what a link says, and see whether its bytes come out. @param {Recipe} recipe */
  async follow(recipe) {
    await new Promise((resolve) => this.#shared.models.watch((models) => models && resolve(models)));
    if (await this.restore(recipe.settings, recipe.given)) await this.draw(recipe);
  }

  /** Somebody else's job says by itself how it was made. @param {Job} job @param {Given} given */
  #found(job, given) {
    if (job.id === this.#asked) return;
    this.#asked = job.id;
    this.restore(job, given);
  }

  /** The same with more particles, as many as the model has room for. @param {Job} job @param {Given} given */
  async #drawHarder(job, given) {
    const most = this.#shared.models.value?.find(({ name }) => name === job.model)?.max_particles ?? 0;
    const particles = Math.min(HARDER * (receiptOf(job)?.particles ?? 1), most);
    if (await this.restore({ ...job, method: "posterior", particles }, given)) await this.draw(null);
  }

  /**
   * Put these into the form, exactly.
   *
   * @param {Settings | Remembered | Job} settings
   * @param {Given} given
   * @returns {Promise<boolean>} whether the model is there
   */
  async restore(settings, given) {
    const { models, labels, pictures, fields } = this.#parts;
    clearTrouble(this.#form);
    fields.set(settings);
    labels?.set(settings.label);
    const isThere = models.choose(settings.model);
    if (!isThere) {
      const text = t("This was drawn by {model}, which no worker here has.", { model: settings.model });
      showTrouble(this.#form, new FieldTrouble("model", text));
    }
    await Promise.all([this.onRefill(given, settings), given.image && pictures?.give(given.image)]);
    return isThere;
  }

  /** Something to look at, where nobody has asked for anything: drawn in this browser, it leaves no trace. */
  #begin() {
    if (!this.#element.hidden && !("used" in this.#element.dataset)) this.#drawHere(true).catch(() => {}); // nobody asked for it
  }

  /** New images, where this browser has what draws them. @param {boolean} isQuiet @returns {Promise<boolean>} whether it has */
  async #drawHere(isQuiet) {
    const { models, labels, fields, pictures } = this.#parts;
    const { model } = models;
    if (!model || pictures) return false;
    const job = /** @type {any} */ ({ ...model, kind: "sample", model: model.name }); // all that is looked at
    if (!(await this.#shared.ask.here.has(job)) || (isQuiet && "used" in this.#element.dataset)) return false;
    const wish = /** @type {any} */ ({ ...fields.read(), ...labels?.read() });
    this.#element.dataset.used = "";
    if (!isQuiet) fields.used();
    this.#board.drawHere(model, wish, isQuiet).then((link) => {
      if (link && !isQuiet && !this.#shared.api.hasService) history.replaceState(null, "", `#${link}`);
    });
    return true;
  }

  /** What the form says. @param {Recipe | null} recipe that says what should come out; null = whatever comes */
  async draw(recipe) {
    clearTrouble(this.#form);
    const button = find(this.#form, "button.primary");
    button.disabled = true;
    try {
      const { model } = this.#parts.models;
      if (!model) throw new FieldTrouble("model", t("There is no model to draw with."));
      const { path, body, given } = await this.#ask(model);
      const job = await this.#shared.api.submit(path, body);
      this.#shared.history.keep(remembered(job, given, ""));
      this.#asked = job.id;
      this.#parts.fields.used();
      this.#board.expect(recipe);
      this.#shared.onJob(job.id);
    } catch (error) {
      if (!(error instanceof Unreachable) || !(await this.#drawHere(false))) showTrouble(this.#form, error);
    } finally {
      button.disabled = false;
    }
  }
}
