/** Answer a view by the service: each question is a job. */

import { splitGrid, pictureOfEstimate, maskPicture, pictureOf, pngOf } from "../pixels/raster.js";
import { receiptOf, scoreOf } from "./api.js";
import { FollowedJob } from "./followed_job.js";
import { FieldTrouble } from "./problems.js";
import { completionOf, scoreForm } from "./requests.js";
import { statusLine } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {Classification, DrawResult, JobInput, AnswerOptions, Job, Model, PixelBelief, ScoreAnswer, DrawOptions} from "../types" */

/**
 * Answers views by jobs of the service: each call starts one and waits for its end.
 *
 * A job is canceled if the caller aborts. Errors: Problem and Unreachable as `Api` raises
 * them, FieldTrouble with a sentence if the job failed or was canceled, and the signal's
 * reason.
 */
export class ServiceBackend {
  /** @param {Api} api */
  constructor(api) {
    this.#api = api;
  }

  #api;

  /**
   * Draw new pictures.
   *
   * @param {Model} model
   * @param {DrawOptions} wish
   * @param {AnswerOptions} how
   * @returns {Promise<DrawResult>}
   */
  sample({ name, label }, wish, how) {
    return this.#draw("/sample", { model: name, label, ...wish }, {}, how);
  }

  /**
   * Fill a hole in a picture.
   *
   * @param {Model} model
   * @param {DrawOptions & {picture: ImageData, hole: Uint8Array}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<DrawResult>}
   */
  async complete(model, { picture, hole, ...wish }, how) {
    const { path, body, given } = await completionOf(model, picture, hole, wish);
    body.delete("rank");
    return this.#draw(path, body, given, how);
  }

  /**
   * Compute the probability of a picture.
   *
   * @param {Model} model
   * @param {{picture: ImageData, label?: string}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<ScoreAnswer>}
   */
  async score(model, { picture, label }, how) {
    const body = await scoreForm(model, picture);
    if (label) body.set("label", label);
    const job = await this.#finishedJob("/score", body, how);
    return { job, score: /** @type {any} */ (scoreOf(job)), map: null };
  }

  /**
   * Compute the probability of a picture and the bits of each pixel.
   *
   * @param {Model} model
   * @param {{picture: ImageData}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<ScoreAnswer>}
   */
  async scoreMap(model, wish, how) {
    const scored = await this.score(model, wish, how);
    const map = await this.#api.scoreMap(/** @type {Job} */ (scored.job).id);
    how.signal.throwIfAborted();
    return { ...scored, map };
  }

  /**
   * Compute the distribution of one pixel, and with `influence` how much each earlier
   * pixel matters for it.
   *
   * @param {Model} model
   * @param {{picture: ImageData, x: number, y: number, influence?: boolean}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<PixelBelief | null | undefined>}
   */
  async pixel(model, { picture, ...where }, how) {
    const body = await scoreForm(model, picture);
    for (const [name, value] of Object.entries(where)) body.set(name, String(value));
    return scoreOf(await this.#finishedJob("/score", body, how))?.pixel;
  }

  /**
   * Compute the probability of each label; pixels of `hole` are ignored.
   *
   * @param {Model} model
   * @param {{picture: ImageData, hole?: Uint8Array}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<Classification>}
   */
  async classify(model, { picture, hole }, how) {
    const body = await scoreForm(model, picture);
    if (hole?.includes(1)) body.set("mask", await pngOf(maskPicture(hole, picture)), "mask.png");
    return /** @type {any} */ ((await this.#finishedJob("/classify", body, how)).result);
  }

  /**
   * Return the pictures of a file of coded pictures, with the job that decoded it.
   *
   * @param {Blob} file
   * @param {AnswerOptions} how
   */
  decode(file, how) {
    return this.#draw("/decode", file, {}, how);
  }

  /**
   * Start a job and return it when it has succeeded.
   *
   * @param {string} path
   * @param {Record<string, any> | FormData | Blob} body
   * @param {AnswerOptions} how
   */
  async #finishedJob(path, body, { signal, onWait }) {
    const job = await this.#api.ask(path, body, signal, (state) => onWait?.(statusLine(state), state));
    if (job.status !== "succeeded") throw new FieldTrouble("", statusLine(job));
    return job;
  }

  /**
   * Start a job that draws, and return its images.
   *
   * @param {string} path
   * @param {any} body
   * @param {JobInput} given
   * @param {AnswerOptions} how
   * @returns {Promise<DrawResult>}
   */
  async #draw(path, body, given, how) {
    if (how.onRow) return this.#drawAndFollow(path, body, given, how);
    const job = await this.#finishedJob(path, body, how);
    const images = splitGrid(await pictureOf(await this.#api.image(job.id, { grid: true })), job.n, job);
    how.signal.throwIfAborted();
    return { job, images, mean: null, isHere: false };
  }

  /**
   * Start a job that draws and report its rows as they arrive. The result has no
   * images, because they were reported.
   *
   * @param {string} path
   * @param {any} body
   * @param {JobInput} given
   * @param {AnswerOptions} how
   * @returns {Promise<DrawResult>}
   */
  async #drawAndFollow(path, body, given, how) {
    const { signal } = how;
    const first = await this.#api.submit(path, body);
    const followed = new FollowedJob(this.#api, first.id, { isKept: false, needsLook: ({ progress }) => !progress });
    followed.onLook = (job) => how.onWait?.(statusLine(job), job);
    const events = followed.events(signal);
    if (!signal.aborted) await how.onJob?.(first, given);
    for await (const { name, data } of events) {
      const job = /** @type {Job} */ (followed.job);
      if (name === "row") how.onRow?.(data);
      if (name === "estimate") how.onMean?.(pictureOfEstimate(data, first), data.sample);
      if (name === "progress" || name === "estimate") how.onWait?.(progressLine(job), job);
      if (name === "error") throw new FieldTrouble("", data.error?.detail ?? data.detail);
      if (name !== "done") continue;
      // The images are there without the mean, so a failed request for it is ignored.
      const mean = receiptOf(data) && (await this.#api.marginals(data.id, "mean").then(pictureOf, () => null));
      // The caller may have given up while the mean was fetched.
      signal.throwIfAborted();
      return { job: data, images: [], mean, isHere: false };
    }
    signal.throwIfAborted();
    throw new FieldTrouble("", statusLine({ ...first, status: "canceled" }));
  }
}

/**
 * Return a job's progress in words, without the estimate of its start, which no longer
 * holds.
 *
 * @param {Job} job
 */
function progressLine(job) {
  return statusLine({ ...job, eta_s: null });
}
