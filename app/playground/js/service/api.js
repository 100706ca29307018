/**
 * The calls of the server's API. Knows no element.
 *
 * A call raises `Problem` if the server refuses it, and `Unreachable` if the server
 * does not answer.
 */

import { Problem, Unreachable } from "./problems.js";
import { passing } from "../storage.js";

/** @import {Info, Job, Model, RankedImage, Receipt, ScoreMap, ScoreResult, Stage} from "../types" */

/**
 * Options of `fetch`. If `limitMs` is set, each attempt is given up after so many
 * milliseconds, and `signal` is not used.
 *
 * @typedef {RequestInit & {limitMs?: number}} ApiRequest
 */

/** Key of the API key in the tab's storage. */
const KEY = "pixelrnn.key";
/** Times that a new job is sent if the server does not answer. */
const TRIES = 3;
/** Milliseconds before the second try; the third waits twice as long. */
const PAUSE_MS = 400;
/**
 * Milliseconds after which a request for the models or the limits is given up: the next
 * one waits for both.
 */
const LOOK_LIMIT_MS = 8000;
/** Seconds that the server may hold a request for the state of a question. */
const LOOK_WAIT_S = 4;
/**
 * Seconds that the server may hold the first answer. Until it arrives, the page has no
 * id with which to cancel the job.
 */
const FIRST_WAIT_S = 1;

/**
 * The server's API. main.js makes one for the page.
 *
 * Each method is one call. It sends the API key if there is one, and asks the person
 * for a key once if the server requires one. It raises Problem if the server refuses
 * the call, Unreachable if the server does not answer, and the signal's reason if the
 * caller aborts it.
 */
export class Api {
  /** Called if the server requires a key; resolves to the key, or to "" if the person has none. */
  askForKey = async () => "";

  /** False in an exported folder, which has no server. */
  hasService = true;

  /** Whether to ask for a key: once for requests that only read, and again for each new job. */
  #mayAsk = true;
  /** Ids of jobs that are canceled when the page is left: nobody would look at them later. @type {Set<string>} */
  #questions = new Set();

  /** Return true if the tab has an API key. */
  get hasKey() {
    return passing.get(KEY) !== null;
  }

  /**
   * Return the server's versions and limits.
   *
   * @returns {Promise<Info>}
   */
  info() {
    return this.#json("/info", { limitMs: LOOK_LIMIT_MS });
  }

  /**
   * Return the models that workers have loaded. `isPortable` says whether this browser
   * can fetch a model; servers of earlier versions do not say.
   *
   * @returns {Promise<Model[]>}
   */
  async models() {
    const { models, portable } = await this.#json("/models", { limitMs: LOOK_LIMIT_MS });
    return models.map((/** @type {Model} */ model) => ({ ...model, isPortable: portable?.includes(model.name) }));
  }

  /**
   * Return where a browser finds a model and the engine that draws with it, and the
   * digests of the model.
   *
   * @param {string} name
   * @returns {Promise<{digest: string, identity: string | null, engine: string, model: string}>}
   */
  portable(name) {
    return this.#json(`/models/${encodeURIComponent(name)}/portable`);
  }

  /**
   * @param {string} id
   * @param {number} waitS - Seconds that the server may wait for the job to end.
   * @param {AbortSignal} [signal] - Ends the wait.
   * @returns {Promise<Job>}
   */
  job(id, waitS = 0, signal) {
    return this.#json(`/jobs/${id}?wait=${waitS}`, { signal });
  }

  /**
   * Cancel a job; a job that has ended stays as it is.
   *
   * @param {string} id
   */
  async cancel(id) {
    await this.send(`/jobs/${id}/cancel`, { method: "POST" });
  }

  /**
   * Return the bits that each pixel of a scored picture costs.
   *
   * @param {string} id
   * @returns {Promise<ScoreMap>}
   */
  scoreMap(id) {
    return this.#json(`/jobs/${id}/score-map`);
  }

  /**
   * Return a picture of a job's images as a file.
   *
   * @param {string} id
   * @param {{sample?: number, scale?: number, stage?: Stage, grid?: boolean, format?: "zip"}} [options]
   */
  async image(id, options = {}) {
    const query = new URLSearchParams(Object.entries(options).map(([name, value]) => [name, String(value)]));
    return (await this.send(`/jobs/${id}/image?${query}`, {})).blob();
  }

  /**
   * Return the picture or the mask that a job was given.
   *
   * @param {string} id
   * @param {"image" | "mask"} of
   */
  async given(id, of) {
    return (await this.send(`/jobs/${id}/given?of=${of}`, {})).blob();
  }

  /**
   * Return the expected value of each pixel of a finished completion, or its entropy,
   * as a picture file.
   *
   * @param {string} id
   * @param {"mean" | "entropy"} of
   */
  async marginals(id, of) {
    return (await this.send(`/jobs/${id}/marginals?of=${of}`, {})).blob();
  }

  /**
   * Start a job.
   *
   * A request without an answer is sent up to three times with one idempotency key, so
   * it never starts two jobs.
   *
   * @param {string} path - Path of the call, such as "/sample".
   * @param {Record<string, any> | FormData | Blob} body - JSON for a sample, a form for
   *     calls with pictures, a file of coded pictures as it is.
   * @param {number} waitS - Seconds that the server may wait for the job to end.
   * @param {AbortSignal} [signal] - Ends the wait.
   * @returns {Promise<Job>}
   */
  async submit(path, body, waitS = 0, signal) {
    this.#mayAsk = true;
    const headers = new Headers({ "Idempotency-Key": randomKey() });
    if (waitS) headers.set("Prefer", `wait=${waitS}`);
    if (body instanceof Blob) headers.set("Content-Type", "application/octet-stream");
    else if (!(body instanceof FormData)) headers.set("Content-Type", "application/json");
    const sent = body instanceof FormData || body instanceof Blob ? body : JSON.stringify(body);
    const request = { method: "POST", headers, body: sent, signal };
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.#json(path, request);
      } catch (error) {
        if (!(error instanceof Unreachable) || tried === TRIES) throw error;
        await pause(PAUSE_MS * tried);
      }
    }
  }

  /**
   * Start a job and wait until it has ended. If the caller gives up, the job is
   * canceled, so that it does not delay the next one.
   *
   * @param {string} path
   * @param {Record<string, any> | FormData | Blob} body
   * @param {AbortSignal} signal - Gives up; the promise is rejected with its reason.
   * @param {(job: Job) => void} [onWait] - Called now and then with the state of the
   *     job.
   * @returns {Promise<Job>}
   */
  ask(path, body, signal, onWait) {
    return new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      this.#answer(path, body, signal, onWait).then(resolve, reject);
    });
  }

  /**
   * @param {string} path
   * @param {Record<string, any> | FormData | Blob} body
   * @param {AbortSignal} signal
   * @param {(job: Job) => void} [onWait]
   * @returns {Promise<Job>}
   */
  async #answer(path, body, signal, onWait) {
    signal.throwIfAborted();
    let job = await this.submit(path, body, FIRST_WAIT_S);
    this.#questions.add(job.id);
    try {
      while (!job.finished_at && !signal.aborted) {
        onWait?.(job);
        job = await this.job(job.id, LOOK_WAIT_S, signal);
      }
    } finally {
      this.#questions.delete(job.id);
      if (!job.finished_at) this.#cancelQuietly(job.id);
    }
    return job;
  }

  /**
   * Cancel a job when a signal is aborted or the page is left, unless `forget` is
   * called before.
   *
   * @param {string} id
   * @param {AbortSignal} signal
   */
  cancelOnAbort(id, signal) {
    this.#questions.add(id);
    const giveUp = () => this.#questions.delete(id) && this.#cancelQuietly(id);
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp, { once: true });
  }

  /**
   * Do not cancel this job any more: it has ended.
   *
   * @param {string} id
   */
  forget(id) {
    this.#questions.delete(id);
  }

  /** Cancel all open questions, because the page is left. */
  cancelAll() {
    for (const id of this.#questions) this.#cancelQuietly(id);
  }

  /**
   * Cancel a job, also while the page is closing. If that fails, the job draws in vain.
   *
   * @param {string} id
   */
  #cancelQuietly(id) {
    this.#fetch(`/jobs/${id}/cancel`, { method: "POST", keepalive: true }).catch(() => {});
  }

  /**
   * Send a request and return its response.
   *
   * @param {string} path - Path of the call.
   * @param {ApiRequest} request
   * @returns {Promise<Response>} A response with a status from 200 to 299.
   */
  async send(path, request) {
    const response = await this.#fetch(path, request);
    if (response.ok) return response;
    const problem = await problemOf(response);
    if (response.status === 401 && this.#mayAsk) {
      const key = await this.askForKey();
      this.#mayAsk = Boolean(key);
      if (key) {
        passing.set(KEY, key);
        return this.send(path, request);
      }
    }
    throw problem;
  }

  /**
   * Send a request with the API key, if there is one.
   *
   * @param {string} path
   * @param {ApiRequest} request
   */
  async #fetch(path, { limitMs, ...request }) {
    const headers = new Headers(request.headers);
    const key = passing.get(KEY);
    // Without a key that no header can contain, the server answers that it needs one.
    if (key && isSendable(key)) headers.set("Authorization", `Bearer ${key}`);
    // The time in which a person enters a key does not count.
    const signal = limitMs ? AbortSignal.timeout(limitMs) : request.signal;
    // Relative to the page, because a proxy may show the service below a path.
    return orUnreachable(fetch(`.${path}`, { ...request, headers, signal }), signal);
  }

  /**
   * Send a request and return the JSON of the response.
   *
   * @param {string} path
   * @param {ApiRequest} request
   */
  async #json(path, request = {}) {
    const response = await this.send(path, request);
    return orUnreachable(response.json(), request.signal);
  }
}

/**
 * Return true if a request can contain this key. Copied keys may have characters that
 * no header can contain, such as a zero-width space.
 *
 * @param {string} key
 */
function isSendable(key) {
  try {
    new Headers({ Authorization: `Bearer ${key}` });
    return true;
  } catch {
    return false;
  }
}

/**
 * Wait for a response, or a part of one. Replace the browser's error by Unreachable,
 * except if the caller aborted it.
 *
 * @template T
 * @param {Promise<T>} answer
 * @param {AbortSignal | null} [signal]
 * @returns {Promise<T>}
 */
async function orUnreachable(answer, signal) {
  try {
    return await answer;
  } catch (error) {
    if (signal?.aborted && signal.reason.name !== "TimeoutError") throw error;
    throw new Unreachable();
  }
}

/**
 * Return the result of a score job.
 *
 * @param {Job} job
 * @returns {ScoreResult | null} The result; null if the job is of another kind or has
 *     no result yet.
 */
export function scoreOf({ result }) {
  return result?.type === "score" ? result : null;
}

/**
 * Return the images of a job in the order of their probability, the likeliest first.
 *
 * @param {Job} job
 * @returns {RankedImage[] | null} Index and nats of each image; null if the job did not
 *     rank its images.
 */
export function rankingOf({ result }) {
  return (result?.type === "images" && result.ranking) || null;
}

/**
 * Return the label of each image of a job; an empty list if they are not known.
 *
 * @param {Job} job
 */
export function labelsOf({ result }) {
  return (result?.type === "images" && result.labels) || [];
}

/**
 * Return the probability with which an image was drawn.
 *
 * @param {Job} job
 * @param {number} sample - Index of the image.
 * @returns {{nats: number, bits_per_dim: number} | null} `nats`: -ln p; `bits_per_dim`:
 *     the same in bits for each value. Null if the job does not state it.
 */
export function probabilityOf({ result }, sample) {
  if (result?.type !== "images" || !result.nats || !result.bits_per_dim) return null;
  return { nats: result.nats[sample], bits_per_dim: result.bits_per_dim[sample] };
}

/**
 * Return the receipt of a completion: figures that say how good its images are.
 *
 * @param {Job} job
 * @returns {Receipt | null} The receipt; null if the job has none.
 */
export function receiptOf({ result }) {
  return (result?.type === "images" && result.posterior) || null;
}

/**
 * Return a promise that is resolved after some milliseconds.
 *
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wait until the page is visible. A hidden page sends the server no requests. */
export async function untilVisible() {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

/**
 * Return the Problem that an error response describes.
 *
 * @param {Response} response
 */
async function problemOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  try {
    return new Problem(await response.json(), retryAfter);
  } catch {
    const title = response.statusText || `Error ${response.status}`;
    return new Problem({ type: "", title, status: response.status, detail: title }, retryAfter);
  }
}

/** Return 128 random bits as hexadecimal digits. */
function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
