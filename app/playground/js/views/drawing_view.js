/**
 * The part that the views with a drawing form share: a form on the left, the job on the
 * right.
 */

import { receiptOf } from "../service/api.js";
import { find } from "../parts/dom.js";
import { clearTrouble, clearTroubleOnChange, showTrouble } from "../parts/fields.js";
import { historyEntry } from "../service/history.js";
import { FormCode } from "../parts/form_code.js";
import { showPicture } from "../parts/model_picker.js";
import { JobBoard } from "../parts/job_board.js";
import { t } from "../lang.js";
import { FieldTrouble } from "../service/problems.js";

/** @import {DrawFields} from "../parts/draw_fields.js" */
/** @import {LabelFields} from "../parts/label_fields.js" */
/** @import {ModelPicker} from "../parts/model_picker.js" */
/** @import {PicturePicker} from "../parts/picture_picker.js" */
/** @import {JobInput, Job, Model, Recipe, HistoryEntry, Settings, Shared} from "../types" */

/**
 * The parts of a form.
 *
 * @typedef {object} Parts
 * @property {ModelPicker} models
 * @property {LabelFields} [labels]
 * @property {PicturePicker} [pictures]
 * @property {DrawFields} fields
 * @property {(model: Model) => void} [suit] - Called with the chosen model.
 */

/**
 * The request that a form makes.
 *
 * @typedef {object} Request
 * @property {string} path - Path of the call.
 * @property {Record<string, any> | FormData} body
 * @property {JobInput} given - Pictures that the job is given.
 * @property {any} [wish] - The same request for this browser, if it may draw it.
 */

/** Times as many particles when the person presses "Try harder". */
const HARDER = 4;

/**
 * A form that draws, and the board of its job. The views Sample and Draw make one each.
 *
 * `draw` makes the form's request; `open` shows a job; `restore` puts settings into the
 * form; `follow` draws what a link names; `take` and `give` use a picture. `code` is
 * the section with the form's code, which the view puts into the page. Errors are shown
 * beside the fields.
 */
export class DrawingView {
  /**
   * @param {HTMLElement} element - Section with the form and the stage.
   * @param {Shared} shared
   * @param {Parts} parts - Parts of the form.
   * @param {(model: Model) => Promise<Request>} ask - Returns the form's request; it
   *     may raise FieldTrouble or Unreachable.
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
      this.draw(null);
    });
    clearTroubleOnChange(this.#form, shared.isOnline);
    models.onChange = (model) => {
      // Settings that were restored for another model do not hold for this one.
      if (model.name !== this.#restoredModel) parts.fields.forget();
      showPicture(find(element, ".empty > span"), model.name);
      labels?.suit(model);
      parts.suit?.(model);
    };
    if (pictures)
      pictures.onTrouble = (error) => (error ? showTrouble(this.#form, error) : clearTrouble(pictures.element));
    this.code = new FormCode(shared, element, async () => {
      const { model } = models;
      return model && ask(model);
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

  /** Called when the form's request is made, before it is sent. */
  onDraw = () => {};
  /** Called with settings before they are put into the form. @type {(settings: any) => void} */
  onRestore = () => {};
  /** Called with the given pictures after the picture is put into the form. @type {(given: JobInput) => unknown} */
  onRefill = () => null;
  /** Called with the expected value of each pixel of a completion. @type {(mean: ImageData, job: Job) => void} */
  onExpect = () => {};

  #element;
  #shared;
  #parts;
  #ask;
  #form;
  #board;
  /** Name of the model of the settings that were restored last. */
  #restoredModel = "";
  /** Id of the job whose settings are in the form. */
  #ownJob = "";
  /** Name of the model of restored settings if no worker has it; else "". */
  #missingModel = "";

  /**
   * @param {File} file
   * @returns {boolean} True if the form takes pictures.
   */
  take(file) {
    this.#parts.pictures?.take(file);
    return Boolean(this.#parts.pictures);
  }

  /**
   * @param {string} url
   * @param {string} model
   */
  give(url, model) {
    this.#parts.models.choose(model);
    this.#parts.pictures?.give(url);
  }

  /**
   * Show a job. If it was not drawn by this form just now, its settings are put into
   * the form.
   *
   * @param {string} jobId - Id of the job; "" shows an example if the view is empty.
   */
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

  /**
   * Draw what a link names, and compare the bytes.
   *
   * @param {Recipe} recipe
   */
  async follow(recipe) {
    try {
      if (!(await this.restore(recipe.settings, recipe.given))) return;
    } catch {
      // Pictures stand at the end of a link, which is cut off first.
      const text = t("This link does not say what is to be drawn: a part of it is missing or wrong.");
      return showTrouble(this.#form, new FieldTrouble("", text));
    }
    await this.draw(recipe);
  }

  /**
   * Put the settings of a job that somebody else has drawn into the form.
   *
   * @param {Job} job
   * @param {JobInput} given
   */
  #onFound(job, given) {
    if (job.id === this.#ownJob) return;
    this.#ownJob = job.id;
    this.restore(job, given);
  }

  /**
   * Draw a completion again with more particles, as many as the model has room for.
   *
   * @param {Job} job
   * @param {JobInput} given
   */
  async #drawHarder(job, given) {
    const most = this.#shared.models.value?.find(({ name }) => name === job.model)?.max_particles ?? 0;
    const particles = Math.min(HARDER * (receiptOf(job)?.particles ?? 1), most);
    if (await this.restore({ ...job, method: "posterior", particles }, given)) await this.draw(null);
  }

  /**
   * Put settings into the form.
   *
   * @param {Settings | HistoryEntry | Job} settings
   * @param {JobInput} given - Data URLs of the pictures.
   * @returns {Promise<boolean>} False if no worker has the model, which a sentence says,
   *     or if another picture was chosen meanwhile.
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
    const isShown = given.image && pictures ? await pictures.give(given.image) : true;
    // The hole belongs to this picture only.
    if (!isShown) return false;
    await this.onRefill(given);
    return isThere;
  }

  /** Choose the missing model, which has just been loaded. */
  #recover() {
    const { models } = this.#parts;
    if (models.choose(this.#missingModel)) clearTrouble(models.element);
    this.#missingModel = "";
  }

  /**
   * Draw an example in this browser if the view is empty. It is kept neither in the
   * address nor in the history.
   */
  async #begin() {
    const { models, pictures } = this.#parts;
    const isIdle = () => !this.#element.hidden && !("used" in this.#element.dataset);
    if (!models.model || pictures || !isIdle()) return;
    const { model } = models;
    const { browser } = this.#shared.backend;
    // Nothing is reported about an example that cannot be drawn.
    const request = await this.#ask(model).catch(() => null);
    if (!request?.wish || !browser.can("rows", model) || !(await browser.fetch(model.name, model)) || !isIdle()) return;
    this.#drawHere(model, request, false);
  }

  /**
   * Draw a request in this browser, which has fetched the model.
   *
   * @param {Model} model
   * @param {Request} request
   * @param {boolean} isAsked
   */
  async #drawHere(model, { path, wish }, isAsked) {
    const kind = /** @type {"sample" | "complete"} */ (path.slice(1));
    this.#element.dataset.used = "";
    if (isAsked) this.#parts.fields.used();
    const link = await this.#board.drawHere(kind, model, wish, isAsked);
    if (link && isAsked && !this.#shared.api.hasService) history.replaceState(null, "", `#${link}`);
  }

  /**
   * Make the form's request and show its job.
   *
   * @param {Recipe | null} recipe - Link that states the expected bytes; null for none.
   */
  async draw(recipe) {
    clearTrouble(this.#form);
    const button = find(this.#form, "button.primary");
    button.disabled = true;
    try {
      if (!this.#parts.models.model) throw new FieldTrouble("model", t("There is no model to draw with."));
      const request = await this.#ask(this.#parts.models.model);
      this.onDraw();
      // The form may have chosen another model that fills the hole better.
      const { model } = this.#parts.models;
      const { given } = request;
      const job = await this.#shared.backend.begin(model, request);
      if (!job) {
        this.#board.expect(recipe, null, "");
        return this.#drawHere(model, request, true);
      }
      this.#shared.history.keep(historyEntry(job, given, ""));
      this.#ownJob = job.id;
      this.#parts.fields.used();
      this.code.follow();
      this.#board.expect(recipe, job.cutouts ? given : null, job.id);
      // The reader may be at another use of the same pad by now.
      this.#shared.onJob(job.id, job.kind);
    } catch (error) {
      showTrouble(this.#form, error);
    } finally {
      button.disabled = false;
    }
  }
}
