/**
 * A job of the service while somebody looks at it: its newest state, its events, and looks at what no event says.
 *
 * Whoever shows a job follows it through this: boards of images and of trainings, the panorama, and questions of views.
 */

import { pause, untilVisible } from "./api.js";
import { follow } from "./events.js";
import { Problem } from "./problems.js";

/** @import {Api} from "./api.js" */
/** @import {Job, ServerEvent} from "../types" */

/** Before the first look at a job. */
const PATIENCE_MS = 1000;
/** Between two looks. */
const LOOK_MS = 1500;
const STATES = ["snapshot", "done", "error", "canceled"];

export class FollowedJob {
  /**
   * @param {Api} api
   * @param {string} id
   * @param {object} [options]
   * @param {boolean} [options.isKept] whether it goes on when nobody looks; else it is taken back then
   * @param {(job: Job) => boolean} [options.needsLook] whether there is something to know of it now that no event says:
   *   its place in the queue, an estimate, whether somebody has begun with it
   */
  constructor(api, id, { isKept = true, needsLook = () => true } = {}) {
    this.#api = api;
    this.#id = id;
    this.#isKept = isKept;
    this.#needsLook = needsLook;
  }

  /** As it was last seen; null before its first event. @type {Job | null} */
  job = null;
  /** Called when a look has found where it stands. @type {(job: Job) => void} */
  onLook = () => {};
  /** Called when the connection is lost, and with true when it is back. @type {(isBack: boolean) => void} */
  onConnection = () => {};

  #api;
  #id;
  #isKept;
  #needsLook;

  /**
   * Its events up to the last one; `job` is as each of them leaves it. Throws Problem if the job is gone.
   *
   * @param {AbortSignal} signal ends it silently
   * @returns {AsyncGenerator<ServerEvent>}
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
      if (!this.#isKept && !signal.aborted) this.#api.forget(this.#id);
    }
  }

  /** @param {ServerEvent} event */
  #take({ name, data }) {
    if (STATES.includes(name)) this.job = data;
    const share = data.progress ?? data.share;
    if (!this.job || this.job.finished_at || !(share > 0)) return;
    const progress = Math.max(share, this.job.progress);
    this.job = { ...this.job, status: "running", waits_for: null, progress };
  }

  /** @param {AbortSignal} signal */
  async #look(signal) {
    const isWanted = () => !signal.aborted && this.job && !this.job.finished_at;
    for (let wait = PATIENCE_MS; isWanted(); wait = LOOK_MS) {
      await pause(wait);
      await untilVisible();
      if (!isWanted() || !this.#needsLook(/** @type {Job} */ (this.job))) continue;
      const found = await this.#api.job(this.#id, 0, signal).catch(() => null); // the stream says what is wrong
      if (!found || found.finished_at || !isWanted()) continue; // its last event is on the way
      this.job = { ...found, progress: Math.max(found.progress, this.job?.progress ?? 0) };
      this.onLook(this.job);
    }
  }
}
