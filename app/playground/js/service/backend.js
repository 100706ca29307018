/**
 * Decide who answers a view: the service, or this browser if the service is away, keeps
 * it waiting or does not exist.
 */

import { t } from "../lang.js";
import { pause } from "./api.js";
import { ServiceBackend } from "./service_backend.js";
import { BrowserBackend } from "./browser_backend.js";
import { FieldTrouble, Unreachable } from "./problems.js";

/** @import {JobInput, AnswerOptions, JobResult, Job, Model, Shared} from "../types" */

/** Milliseconds that a job may wait at the service before this browser draws it. */
const PATIENCE_MS = 1500;

/**
 * Answers the questions of views, by the service or by this browser; a view need not know
 * which.
 *
 * The engine and a model's weights are fetched when this browser first answers. Errors:
 * Problem and Unreachable as `Api` raises them, FieldTrouble with a sentence if nobody
 * can answer or the job failed, the engine's errors, and the signal's reason if the
 * caller aborts.
 */
export class Backend {
  /**
   * @param {Pick<Shared, "api" | "info" | "models" | "isOnline">} shared - The API and
   *     the page's shared state.
   */
  constructor(shared) {
    this.service = new ServiceBackend(shared.api);
    this.browser = new BrowserBackend(shared);
    this.#shared = shared;
  }

  #shared;

  /** @type {ServiceBackend["sample"]} */
  sample = (model, wish, how) => this.#answer("sample", model, wish, how);
  /** @type {ServiceBackend["complete"]} */
  complete = (model, wish, how) => this.#answer("complete", model, wish, how);
  /** @type {ServiceBackend["score"]} */
  score = (model, wish, how) => this.#answer("score", model, wish, how);
  /** @type {ServiceBackend["scoreMap"]} */
  scoreMap = (model, wish, how) => this.#answer("scoreMap", model, wish, how);
  /** @type {ServiceBackend["classify"]} */
  classify = (model, wish, how) => this.#answer(wish.hole?.includes(1) ? "covered" : "classify", model, wish, how);
  /** @type {ServiceBackend["pixel"]} */
  pixel = (model, wish, how) => this.#answer("pixel", model, wish, how);

  /**
   * Return true if the service or this browser can answer a call for a model.
   *
   * @param {string} call
   * @param {Model} model
   */
  can(call, model) {
    return this.#shared.api.hasService || this.browser.can(call, model);
  }

  /**
   * Return true if somebody can answer at once: the model is compiled, or this browser
   * can answer.
   *
   * @param {string} call
   * @param {Model} model
   */
  isReady(call, model) {
    return !model.compiling || this.browser.can(call, model);
  }

  /**
   * Start a job that the service keeps, or leave it to this browser.
   *
   * @param {Model} model
   * @param {{path: string, body: Record<string, any> | FormData, wish?: any}} request -
   *     `wish`: the same request for this browser, if it may draw it.
   * @returns {Promise<Job | null>} The service's job; null if this browser has to draw,
   *     because the service compiles the model or does not answer.
   * @throws {Problem} if the service refuses it; Unreachable if nobody can draw.
   */
  async begin(model, { path, body, wish }) {
    const kind = path.slice(1);
    // The engine draws no pictures larger than the model's.
    const isField = Boolean(wish?.size);
    const mayDraw = Boolean(wish) && !isField && this.browser.can(kind === "sample" ? "rows" : kind, model);
    const canDraw = async () => mayDraw && (await this.browser.fetch(model.name, model));
    if (model.compiling && (await canDraw())) return null;
    try {
      return await this.#shared.api.submit(path, body);
    } catch (error) {
      if (error instanceof Unreachable && (await canDraw())) return null;
      throw error;
    }
  }

  /**
   * Draw a job of the service in this browser if it still waits after a while. Both
   * draw the same rows.
   *
   * @param {Job} job
   * @param {JobInput} given - Pictures that the job was given.
   * @param {AnswerOptions & {onBegin: () => void}} how - `onBegin` is called before the
   *     first row.
   * @param {() => boolean} isWaiting - Returns true if the job still waits and its
   *     board is shown.
   * @returns {Promise<JobResult | null>} What is known of its images; null if not all
   *     of them were drawn here.
   */
  async help(job, given, how, isWaiting) {
    await pause(PATIENCE_MS);
    if (!isWaiting() || !this.browser.canDraw(job)) return null;
    if (!(await this.browser.fetch(job.model, job)) || !isWaiting()) return null;
    how.onBegin();
    return this.browser.redraw(job, given, how, { weighed: true });
  }

  /**
   * Fetch the engine and the weights of a job's model, so that this browser can draw if
   * the service goes away. Nothing is fetched if the reader asked to save data.
   *
   * @param {Job} job
   */
  prepare(job) {
    const savesData = /** @type {any} */ (navigator).connection?.saveData;
    if (!savesData && job.kind === "sample" && this.browser.canDraw(job)) this.browser.fetch(job.model, job);
  }

  /**
   * Let the service or this browser answer a call.
   *
   * @param {string} call
   * @param {Model} model
   * @param {any} wish
   * @param {AnswerOptions} how
   * @returns {Promise<any>}
   */
  async #answer(call, model, wish, how) {
    const service = /** @type {any} */ (this.service);
    // A picture with covered pixels is classified by the service only: the engine has no call
    // of the name "covered".
    const there = (/** @type {AnswerOptions} */ options) =>
      service[call === "covered" ? "classify" : call](model, wish, options);
    const here = () => /** @type {any} */ (this.browser)[call](model, wish, how);
    const { hasService } = this.#shared.api;
    if (!this.browser.can(call, model)) {
      if (!hasService)
        throw new FieldTrouble("", t("Only a service can answer this: this page is a folder without one."));
      return there(how);
    }
    if (!hasService) return here();
    if (model.compiling || !this.#shared.isOnline.value) return here().catch(unlessAborted(how, () => there(how)));
    return this.#answerSoon(there, here, how);
  }

  /**
   * Return the service's answer, or this browser's if the service keeps the job in its
   * queue or does not answer.
   *
   * @param {(how: AnswerOptions) => Promise<any>} there
   * @param {() => Promise<any>} here
   * @param {AnswerOptions} how
   */
  async #answerSoon(there, here, how) {
    const impatient = new AbortController();
    const onWait = (/** @type {string} */ words, /** @type {Job} */ job) => {
      how.onWait?.(words, job);
      if (job.status === "queued") impatient.abort();
    };
    try {
      return await there({ ...how, onWait, signal: AbortSignal.any([how.signal, impatient.signal]) });
    } catch (error) {
      const isTakenOver = impatient.signal.aborted || error instanceof Unreachable;
      if (how.signal.aborted || !isTakenOver) throw error;
      return here().catch(unlessAborted(how, () => (impatient.signal.aborted ? there(how) : Promise.reject(error))));
    }
  }
}

/**
 * Return an error handler that tries another way, except if the caller has aborted.
 *
 * @param {AnswerOptions} how
 * @param {() => Promise<any>} other
 */
function unlessAborted({ signal }, other) {
  return (/** @type {unknown} */ error) => (signal.aborted ? Promise.reject(error) : other());
}
