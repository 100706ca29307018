/** Whom a view asks: the service, or this browser where the service is away, keeps it waiting, or is none. */

import { t } from "../lang.js";
import { pause } from "./api.js";
import { ServiceBackend } from "./service_backend.js";
import { BrowserBackend } from "./browser_backend.js";
import { FieldTrouble, Unreachable } from "./problems.js";

/** @import {JobInput, AnswerOptions, JobResult, Job, Model, Shared} from "../types" */

/** So long the service may keep a job waiting before this browser draws it. */
const PATIENCE_MS = 1500;

/** Six calls, with a body in `Service` and one in `Here`; a view never knows which of them answers. */
export class Backend {
  /** @param {Pick<Shared, "api" | "info" | "models" | "isOnline">} shared */
  constructor(shared) {
    this.service = new ServiceBackend(shared.api);
    this.browser = new BrowserBackend(shared);
    this.#shared = shared;
  }

  #shared;

  /** New pictures. @type {ServiceBackend["sample"]} */
  sample = (model, wish, how) => this.#answer("sample", model, wish, how);
  /** Pictures that agree with what is given. @type {ServiceBackend["complete"]} */
  complete = (model, wish, how) => this.#answer("complete", model, wish, how);
  /** How likely a picture is. @type {ServiceBackend["score"]} */
  score = (model, wish, how) => this.#answer("score", model, wish, how);
  /** The same, and what each pixel costs. @type {ServiceBackend["scoreMap"]} */
  scoreMap = (model, wish, how) => this.#answer("scoreMap", model, wish, how);
  /** How probable each label is. @type {ServiceBackend["classify"]} */
  classify = (model, wish, how) => this.#answer(wish.hole?.includes(1) ? "covered" : "classify", model, wish, how);
  /** The same, at once or not at all: a service would be asked with each stroke. @type {ServiceBackend["classify"]} */
  classifyHere = (model, wish, how) => this.browser.classify(model, wish, how);
  /** What is expected of a pixel. @type {ServiceBackend["pixel"]} */
  pixel = (model, wish, how) => this.#answer("pixel", model, wish, how);

  /** Whether there is somebody who answers. @param {string} call @param {Model} model */
  can(call, model) {
    return this.#shared.api.hasService || this.browser.can(call, model);
  }

  /** Whether there is somebody who answers at once. @param {string} call @param {Model} model */
  isReady(call, model) {
    return !model.compiling || this.browser.can(call, model);
  }

  /**
   * Begin a job that is kept. The one place that decides who draws what a form asks for.
   *
   * @param {Model} model
   * @param {{path: string, body: Record<string, any> | FormData, wish?: any}} request wish: the same for this browser, if
   *   it may draw it
   * @returns {Promise<Job | null>} the service's job; null if this browser is to draw it. Throws as `Api.submit` does.
   */
  async begin(model, { path, body, wish }) {
    const kind = path.slice(1);
    const isField = Boolean(wish?.size); // larger pictures than the model's: the service alone draws them
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
   * Draw a job of the service in this browser, if it waits: its rows are the same whoever draws them.
   *
   * @param {Job} job
   * @param {JobInput} given what it began with
   * @param {AnswerOptions & {onBegin: () => void}} how
   * @param {() => boolean} isWaiting whether it still waits, and somebody looks
   * @returns {Promise<JobResult | null>} what is known of its images; null if not all of them were drawn here
   */
  async help(job, given, how, isWaiting) {
    await pause(PATIENCE_MS);
    if (!isWaiting() || !this.browser.canDraw(job)) return null;
    if (!(await this.browser.fetch(job.model, job)) || !isWaiting()) return null;
    how.onBegin();
    return this.browser.redraw(job, given, how, { weighed: true });
  }

  /** Fetch what draws a job while the service answers, for when it does not. @param {Job} job */
  prepare(job) {
    const savesData = /** @type {any} */ (navigator).connection?.saveData;
    if (!savesData && job.kind === "sample" && this.browser.canDraw(job)) this.browser.fetch(job.model, job);
  }

  /** @param {string} call @param {Model} model @param {any} wish @param {AnswerOptions} how @returns {Promise<any>} */
  async #answer(call, model, wish, how) {
    const service = /** @type {any} */ (this.service);
    const there = (/** @type {AnswerOptions} */ told) =>
      service[call === "covered" ? "classify" : call](model, wish, told);
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
   * The service's answer, or where it keeps the job waiting, this browser's.
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

/** Another way, but for whoever has given it up. @param {AnswerOptions} how @param {() => Promise<any>} other */
function unlessAborted({ signal }, other) {
  return (/** @type {unknown} */ error) => (signal.aborted ? Promise.reject(error) : other());
}
