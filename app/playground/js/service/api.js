/** The server's calls. Throws Problem when it refuses, Unreachable when it does not answer; knows no element. */

import { Problem, Unreachable } from "./problems.js";
import { passing } from "../storage.js";

/** @import {Info, Job, Model, RankedImage, Receipt, ScoreMap, ScoreResult, Stage} from "../types" */

const KEY = "pixelrnn.key";
const TRIES = 3;
const PAUSE_MS = 400;
const LOOK_LIMIT_MS = 8000;
/** Between two looks at a question that waits. */
const LOOK_WAIT_S = 4;
/** Short: until a question has been answered, nobody knows the id that takes it back. */
const FIRST_WAIT_S = 1;

export class Api {
  /** Called when the server wants a key; resolves to one, or to "" when the person has none. */
  askForKey = async () => "";

  /** Whether there is a server to be asked. */
  hasService = true;

  /** Asked once for all that only look; again for each new job. */
  #mayAsk = true;
  /** Jobs that somebody waits for, and nobody would look at later. @type {Set<string>} */
  #questions = new Set();

  /** Whether it has been asked for a key and has one. */
  get hasKey() {
    return passing.get(KEY) !== null;
  }

  /** @returns {Promise<Info>} */
  info() {
    return this.#json("/info");
  }

  /** @returns {Promise<Model[]>} */
  async models() {
    const { models, portable } = await this.#json("/models", { signal: AbortSignal.timeout(LOOK_LIMIT_MS) });
    return models.map((/** @type {Model} */ model) => ({ ...model, isPortable: portable?.includes(model.name) }));
  }

  /** Where a browser finds a model and the engine that draws from it. @param {string} name @returns {Promise<{digest: string, identity: string | null, engine: string, model: string}>} */
  portable(name) {
    return this.#json(`/models/${encodeURIComponent(name)}/portable`);
  }

  /**
   * @param {string} id
   * @param {number} waitS how long to wait for the end
   * @param {AbortSignal} [signal] ends the wait
   * @returns {Promise<Job>}
   */
  job(id, waitS = 0, signal) {
    return this.#json(`/jobs/${id}?wait=${waitS}`, { signal });
  }

  /** Nothing, once it has ended. @param {string} id */
  async cancel(id) {
    await this.send(`/jobs/${id}/cancel`, { method: "POST" });
  }

  /**
   * @param {string} id
   * @returns {Promise<ScoreMap>}
   */
  scoreMap(id) {
    return this.#json(`/jobs/${id}/score-map`);
  }

  /**
   * @param {string} id
   * @param {{sample?: number, scale?: number, stage?: Stage, grid?: boolean, format?: "zip"}} [options]
   */
  async image(id, options = {}) {
    const query = new URLSearchParams(Object.entries(options).map(([name, value]) => [name, String(value)]));
    return (await this.send(`/jobs/${id}/image?${query}`, {})).blob();
  }

  /** What a job began with. @param {string} id @param {"image" | "mask"} of */
  async given(id, of) {
    return (await this.send(`/jobs/${id}/given?of=${of}`, {})).blob();
  }

  /** What is expected of each pixel of a finished completion by `posterior`, or how uncertain it was. @param {string} id @param {"mean" | "entropy"} of */
  async marginals(id, of) {
    return (await this.send(`/jobs/${id}/marginals?of=${of}`, {})).blob();
  }

  /**
   * A job that draws: JSON for a sample, a form for what needs files. One click is one job, however often it is sent.
   *
   * @param {string} path
   * @param {Record<string, any> | FormData} body
   * @param {number} waitS how long to wait for the end
   * @param {AbortSignal} [signal] ends the wait; it then throws what the browser throws
   * @returns {Promise<Job>}
   */
  async submit(path, body, waitS = 0, signal) {
    this.#mayAsk = true;
    const headers = new Headers({ "Idempotency-Key": randomKey() });
    if (waitS) headers.set("Prefer", `wait=${waitS}`);
    if (!(body instanceof FormData)) headers.set("Content-Type", "application/json");
    const sent = body instanceof FormData ? body : JSON.stringify(body);
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
   * The answer to a question: its job, once it has ended, however long that takes. A question that is given up is taken
   * back from the server, so that it is not in the way of the next one.
   *
   * @param {string} path
   * @param {Record<string, any> | FormData} body
   * @param {AbortSignal} signal gives it up; it then throws what the browser throws
   * @param {(job: Job) => void} [onWait] told now and then where it stands
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
   * @param {Record<string, any> | FormData} body
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

  /** A job that is followed elsewhere, and taken back as a question is until it has ended. @param {string} id @param {AbortSignal} signal */
  cancelOnAbort(id, signal) {
    this.#questions.add(id);
    const giveUp = () => this.#questions.delete(id) && this.#cancelQuietly(id);
    if (signal.aborted) giveUp();
    else signal.addEventListener("abort", giveUp, { once: true });
  }

  /** It has ended. @param {string} id */
  forget(id) {
    this.#questions.delete(id);
  }

  /** All questions, because the page is left. */
  cancelAll() {
    for (const id of this.#questions) this.#cancelQuietly(id);
  }

  /** Also while the page goes away; where it does not succeed the job draws in vain. @param {string} id */
  #cancelQuietly(id) {
    this.#fetch(`/jobs/${id}/cancel`, { method: "POST", keepalive: true }).catch(() => {});
  }

  /**
   * @param {string} path
   * @param {RequestInit} request
   * @returns {Promise<Response>} one that is fine
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
   * @param {string} path
   * @param {RequestInit} request
   */
  async #fetch(path, request) {
    const headers = new Headers(request.headers);
    const key = passing.get(KEY);
    if (key) headers.set("Authorization", `Bearer ${key}`);
    return orUnreachable(fetch(path, { ...request, headers }), request.signal);
  }

  /** @param {string} path @param {RequestInit} request */
  async #json(path, request = {}) {
    const response = await this.send(path, request);
    return orUnreachable(response.json(), request.signal);
  }
}

/**
 * An answer, or a part of one: whatever cuts it off, its time limit too, the server does not answer. Only who gave it up
 * hears what the browser says.
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

/** A score's numbers, once it has them. @param {Job} job @returns {ScoreResult | null} */
export function scoreOf({ result }) {
  return result?.type === "score" ? result : null;
}

/** Likeliest first. @param {Job} job @returns {RankedImage[] | null} */
export function rankingOf({ result }) {
  return (result?.type === "images" && result.ranking) || null;
}

/** Those of a job's images, as far as they are known. @param {Job} job @returns {string[]} */
export function labelsOf({ result }) {
  return (result?.type === "images" && result.labels) || [];
}

/** How probable an image was as it was drawn; null if the job does not say it. @param {Job} job @param {number} sample */
export function probabilityOf({ result }, sample) {
  if (result?.type !== "images" || !result.nats || !result.bits_per_dim) return null;
  return { nats: result.nats[sample], bits_per_dim: result.bits_per_dim[sample] };
}

/** @param {Job} job @returns {Receipt | null} */
export function receiptOf({ result }) {
  return (result?.type === "images" && result.posterior) || null;
}

/** @param {number} ms */
export function pause(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Wait until somebody looks at the page: one that is hidden asks the service nothing. */
export async function untilVisible() {
  while (document.hidden) {
    await new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
  }
}

/** @param {Response} response */
async function problemOf(response) {
  const retryAfter = Number(response.headers.get("Retry-After")) || 0;
  try {
    return new Problem(await response.json(), retryAfter);
  } catch {
    const title = response.statusText || `Error ${response.status}`;
    return new Problem({ type: "", title, status: response.status, detail: title }, retryAfter);
  }
}

function randomKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
