/** What the views that draw have in common: a form on the left, the job on the right. */

import { find } from "./dom.js";
import { clearTrouble, showTrouble, submitRow } from "./fields.js";
import { JobBoard } from "./job_board.js";
import { remembered } from "./history.js";

/** @import {Api} from "./api.js" */
/** @import {History} from "./history.js" */
/** @import {Given} from "./types" */

/**
 * @typedef {object} Shared what all views are given
 * @property {Api} api
 * @property {History} history
 * @property {(id: string) => void} onJob called with a new job of the view
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
   * @param {HTMLElement[]} fields
   * @param {string} verb what stands on the button
   * @param {() => Promise<Request>} ask reads the form; may throw FieldTrouble
   */
  constructor(element, shared, fields, verb, ask) {
    this.element = element;
    this.#shared = shared;
    this.#ask = ask;
    this.form = /** @type {HTMLFormElement} */ (find(element, "form"));
    this.form.append(...fields, submitRow(verb));
    this.form.addEventListener("submit", (event) => this.#submit(event));
    this.board = new JobBoard(shared.api, shared.history);
    find(element, ".stage").append(this.board.element);
  }

  #shared;
  #ask;

  /** @param {string} jobId */
  open(jobId) {
    this.element.dataset.used = "";
    this.board.watch(jobId);
  }

  leave() {
    this.board.close();
  }

  /** @param {unknown} error */
  trouble(error) {
    showTrouble(this.form, error);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    clearTrouble(this.form);
    const button = find(this.form, "button.primary");
    button.disabled = true;
    try {
      const { path, body, given } = await this.#ask();
      const job = await this.#shared.api.submit(path, body);
      this.#shared.history.keep(remembered(job, given, ""));
      this.#shared.onJob(job.id);
    } catch (error) {
      showTrouble(this.form, error);
    } finally {
      button.disabled = false;
    }
  }
}
