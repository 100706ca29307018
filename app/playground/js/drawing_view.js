/** What the views that draw have in common: a form on the left, the job on the right. */

import { find } from "./dom.js";
import { clearTrouble, showTrouble, submitRow } from "./fields.js";
import { remembered } from "./history.js";
import { JobBoard } from "./job_board.js";
import { FieldTrouble } from "./problems.js";

/** @import {Api} from "./api.js" */
/** @import {DrawFields} from "./draw_fields.js" */
/** @import {History} from "./history.js" */
/** @import {ModelPicker} from "./model_picker.js" */
/** @import {PicturePicker} from "./picture_picker.js" */
/** @import {Given, Info, Model, Remembered, Settings} from "./types" */

/**
 * @typedef {object} Shared what all views are given
 * @property {Api} api
 * @property {History} history
 * @property {(id: string) => void} onJob called with a new job of the view
 *
 * @typedef {object} Parts of the form
 * @property {ModelPicker} models
 * @property {PicturePicker} [pictures]
 * @property {HTMLElement} [hole]
 * @property {DrawFields} fields
 *
 * @typedef {object} Request what a form asks for
 * @property {string} path
 * @property {Record<string, any> | FormData} body
 * @property {Given} given
 */

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
    const { models, pictures, hole, fields } = parts;
    this.#form.append(models.element, ...(pictures ? [pictures.element] : []), ...(hole ? [hole] : []));
    this.#form.append(fields.element, submitRow(verb));
    this.#form.addEventListener("submit", (event) => this.#submit(event));
    if (pictures) {
      models.onChange = (model) => pictures.suit(model);
      pictures.onTrouble = (error) => showTrouble(this.#form, error);
    }
    this.#board = new JobBoard(shared.api, shared.history);
    find(element, ".stage").append(this.#board.element);
  }

  /** Called with what a job began with, when that is put back into the form. @type {(given: Given) => void} */
  onRefill = () => {};

  #element;
  #shared;
  #parts;
  #ask;
  #form;
  #board;
  /** The job that the form asked for last. */
  #asked = "";

  /** @param {Model[]} models */
  offer(models) {
    this.#parts.models.offer(models);
  }

  /** @param {Info} info */
  limit(info) {
    this.#parts.fields.limit(info);
  }

  /** Show a job; one that was not asked for just now brings its settings along. @param {string} jobId */
  open(jobId) {
    this.#element.dataset.used = "";
    const kept = this.#shared.history.get(jobId);
    if (kept && jobId !== this.#asked) this.#refill(kept, kept.given, false);
    this.#asked = jobId;
    this.#board.watch(jobId);
  }

  /** Put these into the form, with the seed kept. @param {Settings} settings @param {Given} given */
  restore(settings, given) {
    this.#refill(settings, given, true);
  }

  /** @param {Settings | Remembered} settings @param {Given} given @param {boolean} isLocked */
  #refill(settings, given, isLocked) {
    const { models, pictures, fields } = this.#parts;
    clearTrouble(this.#form);
    fields.set(settings, isLocked);
    if (!models.choose(settings.model)) {
      const text = `This was drawn by ${settings.model}, which no worker here has.`;
      showTrouble(this.#form, new FieldTrouble("model", text));
    }
    this.onRefill(given);
    if (given.image) pictures?.give(given.image);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    clearTrouble(this.#form);
    const button = find(this.#form, "button.primary");
    button.disabled = true;
    try {
      const { model } = this.#parts.models;
      if (!model) throw new FieldTrouble("model", "There is no model to draw with.");
      const { path, body, given } = await this.#ask(model);
      const job = await this.#shared.api.submit(path, body);
      this.#shared.history.keep(remembered(job, given, ""));
      this.#asked = job.id;
      this.#shared.onJob(job.id);
    } catch (error) {
      showTrouble(this.#form, error);
    } finally {
      button.disabled = false;
    }
  }
}
