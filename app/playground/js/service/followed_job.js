/**
 * A job of the service while a part of the page shows it: its newest state and its
 * events.
 *
 * Boards of images and trainings, the panorama and the questions of views follow their
 * jobs in this way.
 */

import { pause, untilVisible } from "./api.js";
import { follow } from "./events.js";
import { Problem } from "./problems.js";

/** @import {Api} from "./api.js" */
/** @import {Job, ServerEvent} from "../types" */

/** Milliseconds before the first request for the job's state. */
const PATIENCE_MS = 1000;
/** Milliseconds between two requests for the state. */
const LOOK_MS = 1500;
/** Events whose data is the whole job. */
const STATES = ["snapshot", "done", "error", "canceled"];

/**
 * Follows one job of the service. Beside its events, the state is requested now and then,
 * because no event reports the place in the queue.
 */
export class FollowedJob {
  /**
   * @param {Api} api
   * @param {string} id
   * @param {object} [options]
   * @param {boolean} [options.isKept] - Whether the job continues if nobody follows it;
   *     otherwise it is canceled. Default: true.
   * @param {(job: Job) => boolean} [options.needsLook] - Returns true while something
   *     is unknown that no event reports. Default: always.
   */
  constructor(api, id, { isKept = true, needsLook = () => true } = {}) {
    this.#api = api;
    this.#id = id;
    this.#isKept = isKept;
    this.#needsLook = needsLook;
  }

  /** Newest state; null before the first event. @type {Job | null} */
  job = null;
  /** Called with the state after each request for it. @type {(job: Job) => void} */
  onLook = () => {};
  /** Called with false when the connection is lost, and with true when it is back. @type {(isBack: boolean) => void} */
  onConnection = () => {};

  #api;
  #id;
  #isKept;
  #needsLook;
  /** True after the last event, and if the stream was refused. */
  #isOver = false;

  /**
   * Yield the events of the job, up to its last one. `job` is updated before each event
   * is yielded.
   *
   * @param {AbortSignal} signal - Ends the stream without an error.
   * @returns {AsyncGenerator<ServerEvent>}
   * @throws {Problem} if the job is gone or the server refuses the stream.
   */
  async *events(signal) {
    if (!this.#isKept) this.#api.cancelOnAbort(this.#id, signal);
    try {
      for await (const event of follow(this.#api, this.#id, signal, (isBack) => this.onConnection(isBack))) {
        const isFirst = !this.job;
        if (event.name === "error" && !event.data.id) throw new Problem(event.data);
        this.#take(event);
        if (isFirst) this.#look(signal);
        yield event;
      }
    } finally {
      this.#isOver = true;
      if (!this.#isKept && !signal.aborted) this.#api.forget(this.#id);
    }
  }

  /**
   * Update the state by an event.
   *
   * @param {ServerEvent} event
   */
  #take({ name, data }) {
    if (STATES.includes(name)) this.job = data;
    const share = data.progress ?? data.share;
    if (!this.job || this.job.finished_at || !(share > 0)) return;
    const progress = Math.max(share, this.job.progress);
    this.job = { ...this.job, status: "running", waits_for: null, progress };
  }

  /**
   * Request the state now and then, until the job or the stream has ended.
   *
   * @param {AbortSignal} signal
   */
  async #look(signal) {
    const isWanted = () => !signal.aborted && !this.#isOver && this.job && !this.job.finished_at;
    for (let wait = PATIENCE_MS; isWanted(); wait = LOOK_MS) {
      await pause(wait);
      await untilVisible();
      if (!isWanted() || !this.#needsLook(/** @type {Job} */ (this.job))) continue;
      // Errors are ignored here, because the stream of events reports them.
      const found = await this.#api.job(this.#id, 0, signal).catch(() => null);
      // The last event of a job that has ended is on its way.
      if (!found || found.finished_at || !isWanted()) continue;
      this.job = { ...found, progress: Math.max(found.progress, this.job?.progress ?? 0) };
      this.onLook(this.job);
    }
  }
}
