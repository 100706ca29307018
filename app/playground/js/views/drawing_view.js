/** What the views that draw have in common: a form on the left, the job on the right. */

import { receiptOf } from "../service/api.js";
import { find } from "../parts/dom.js";
import { clearTrouble, clearTroubleOnChange, showTrouble } from "../parts/fields.js";
import { historyEntry } from "../service/history.js";
import { FormCode } from "../parts/form_code.js";
import { showPicture } from "../parts/model_picker.js";
import { JobBoard } from "../parts/job_board.js";
import { t } from "../lang.js";
import { FieldTrouble } from "../service/problems.js";

/** @import {Api} from "../service/api.js" */
/** @import {DrawFields} from "../parts/draw_fields.js" */
/** @import {History} from "../service/history.js" */
/** @import {LabelFields} from "../parts/label_fields.js" */
/** @import {ModelPicker} from "../parts/model_picker.js" */
/** @import {PicturePicker} from "../parts/picture_picker.js" */
/** @import {Signal} from "../signal.js" */
/** @import {JobInput, Info, Job, Model, Recipe, HistoryEntry, Settings, Shared} from "../types" */

/**
 * @typedef {object} Parts of the form
 * @property {ModelPicker} models
 * @property {LabelFields} [labels]
 * @property {PicturePicker} [pictures]
 * @property {DrawFields} fields
 * @property {(model: Model) => void} [suit] called with the model that is chosen
 *
 * @typedef {object} Request what a form asks for
 * @property {string} path
 * @property {Record<string, any> | FormData} body
 * @property {JobInput} given
 * @property {any} [wish] the same for this browser, where it may draw it
 */

const HARDER = 4;

export class DrawingView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
   * @param {Parts} parts
   * @param {(model: Model) => Promise<Request>} ask reads the form; may throw FieldTrouble
   */
  constructor(element, shared, parts, ask) {
    this.#element = element;
    this.#shared = shared;
    this.#parts = parts;
    this.#ask = ask;
    this.#form = /** @type {HTMLFormElement} */ (find(element, "form"));
    const { models, labels, pictures } = parts;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.onSubmit();
    });
    clearTroubleOnChange(this.#form, shared.isOnline);
    models.onChange = (model) => {
      if (model.name !== this.#restoredModel) parts.fields.forget(); // settings of another model
      showPicture(find(element, ".empty > span"), model.name);
      labels?.suit(model);
      parts.suit?.(model);
    };
    if (pictures)
      pictures.onTrouble = (error) => (error ? showTrouble(this.#form, error) : clearTrouble(pictures.element));
    this.code = new FormCode(shared, element, async () => {
      const { model } = models;
      return model && this.hasOneCall() ? ask(model) : null;
    });
    this.#board = new JobBoard(shared);
    this.#board.onFound = (job, given) => this.#onFound(job, given);
    this.#board.onExpect = (mean, job) => this.onExpect(mean, job);
    this.#board.onHarder = (job, given) => this.#drawHarder(job, given);
    find(element, ".stage").append(this.#board.element);
    shared.models.watch((held) => {
      if (held?.some(({ name }) => name === this.#missingModel)) this.#recover();
      if (held) this.#begin();
    });
  }

  /** Whether one call does what the form asks for. */
  hasOneCall = () => true;
  /** Called when the button is pressed. @type {() => unknown} */
  onSubmit = () => this.draw(null);

  /** Called with how a job was drawn, before it is put back into the form. @type {(settings: any) => void} */
  onRestore = () => {};
  /** Called with what it began with, when its picture is back. @type {(given: JobInput) => unknown} */
  onRefill = () => null;
  /** Called with what is expected of each pixel of a completion. @type {(mean: ImageData, job: Job) => void} */
  onExpect = () => {};

  #element;
  #shared;
  #parts;
  #ask;
  #form;
  #board;
  /** The model of the settings that were put back last. */
  #restoredModel = "";
  /** The job that the form asked for last. */
  #ownJob = "";
  /** The model of what was restored while no worker had it; "" if none is missing. */
  #missingModel = "";

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
    if (kept && jobId !== this.#ownJob) {
      this.#ownJob = jobId;
      this.restore(kept, kept.given);
    }
    this.#board.watch(jobId);
  }

  /** Draw what a link says, and see whether its bytes come out. @param {Recipe} recipe */
  async follow(recipe) {
    if (await this.restore(recipe.settings, recipe.given)) await this.draw(recipe);
  }

  /** Somebody else's job says by itself how it was made. @param {Job} job @param {JobInput} given */
  #onFound(job, given) {
    if (job.id === this.#ownJob) return;
    this.#ownJob = job.id;
    this.restore(job, given);
  }

  /** The same with more particles, as many as the model has room for. @param {Job} job @param {JobInput} given */
  async #drawHarder(job, given) {
    const most = this.#shared.models.value?.find(({ name }) => name === job.model)?.max_particles ?? 0;
    const particles = Math.min(HARDER * (receiptOf(job)?.particles ?? 1), most);
    if (await this.restore({ ...job, method: "posterior", particles }, given)) await this.draw(null);
  }

  /**
   * Put these into the form, exactly.
   *
   * @param {Settings | HistoryEntry | Job} settings
   * @param {JobInput} given
   * @returns {Promise<boolean>} whether the model is there
   */
  async restore(settings, given) {
    const { models, labels, pictures, fields } = this.#parts;
    await this.#shared.models.first();
    clearTrouble(this.#form);
    this.onRestore(settings);
    this.#restoredModel = settings.model;
    labels?.set(settings.label);
    const isThere = models.choose(settings.model);
    this.#missingModel = isThere ? "" : settings.model;
    fields.set(settings);
    if (!isThere) {
      const text = t("This was drawn by {model}, which no worker here has.", { model: settings.model });
      showTrouble(this.#form, new FieldTrouble("model", text));
    }
    if (given.image) await pictures?.give(given.image);
    await this.onRefill(given);
    return isThere;
  }

  /** The model that was missing is there: a service that starts lists its models one after the other. */
  #recover() {
    const { models } = this.#parts;
    if (models.choose(this.#missingModel)) clearTrouble(models.element);
    this.#missingModel = "";
  }

  /** Something to look at, where nobody has asked for anything: drawn in this browser, it leaves no trace. */
  async #begin() {
    const { models, pictures } = this.#parts;
    const isIdle = () => !this.#element.hidden && !("used" in this.#element.dataset);
    if (!models.model || pictures || !isIdle()) return;
    const { model } = models;
    const { browser } = this.#shared.backend;
    const request = await this.#ask(model).catch(() => null); // nobody asked for it
    if (!request?.wish || !browser.can("rows", model) || !(await browser.fetch(model.name, model)) || !isIdle()) return;
    this.#drawHere(model, request, false);
  }

  /** Draw in this browser, which has what draws it. @param {Model} model @param {Request} request @param {boolean} isAsked */
  async #drawHere(model, { path, wish }, isAsked) {
    const kind = /** @type {"sample" | "complete"} */ (path.slice(1));
    this.#element.dataset.used = "";
    if (isAsked) this.#parts.fields.used();
    const link = await this.#board.drawHere(kind, model, wish, isAsked);
    if (link && isAsked && !this.#shared.api.hasService) history.replaceState(null, "", `#${link}`);
  }

  /** What the form says. @param {Recipe | null} recipe that says what should come out; null = whatever comes */
  async draw(recipe) {
    clearTrouble(this.#form);
    const button = find(this.#form, "button.primary");
    button.disabled = true;
    try {
      if (!this.#parts.models.model) throw new FieldTrouble("model", t("There is no model to draw with."));
      const request = await this.#ask(this.#parts.models.model);
      const { model } = this.#parts.models; // the form may have found a fitter one
      const { given } = request;
      this.#board.expect(recipe, null);
      const job = await this.#shared.backend.begin(model, request);
      if (!job) return this.#drawHere(model, request, true);
      this.#shared.history.keep(historyEntry(job, given, ""));
      this.#ownJob = job.id;
      this.#parts.fields.used();
      this.code.follow();
      this.#board.expect(recipe, job.cutouts ? given : null);
      this.#shared.onJob(job.id);
    } catch (error) {
      showTrouble(this.#form, error);
    } finally {
      button.disabled = false;
    }
  }
}
