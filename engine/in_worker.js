/** A model that draws in a Web Worker, so that the page stays quick: the same calls as those of `load`. */

/** @import {Portable} from "./types" */

import { EngineError, folderAt } from "./index.js";

/** @typedef {{resolve: (value: any) => void, reject: (error: Error) => void, onRow?: Function}} Caller */

/** @type {{createScriptURL: (url: string) => any}} */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("pixelrnn-engine", {
  createScriptURL: (/** @type {string} */ url) => url,
}) ?? { createScriptURL: (url) => url };

/**
 * What a page has that cannot fetch, such as one that was opened from a disk. script: the URL of the whole worker as one
 * classic script. files: those of the model and of the engine by their URL.
 *
 * @typedef {{script: string, files: Map<string, Uint8Array<ArrayBuffer>>}} Embedded
 */

/**
 * @param {string | URL} url - of the model's folder
 * @param {Embedded} [embedded]
 * @returns {Promise<Portable & {close: () => void}>}
 */
export async function loadInWorker(url, embedded) {
  const calls = new Calls(embedded ? new Worker(policy.createScriptURL(embedded.script)) : moduleWorker());
  const load = async () => {
    if (embedded) await calls.call("embed", embedded.files);
    return calls.call("load", folderAt(url).href);
  };
  const facts = await load().catch((error) => {
    calls.end(error);
    throw error;
  });
  return {
    ...facts,
    sample: (options) => calls.draw("sample", options),
    complete: (options) => calls.draw("complete", options),
    score: (values, options) => calls.call("score", { values, options }),
    surprise: (values, options) => calls.call("surprise", { values, options }),
    classify: (values) => calls.call("classify", values),
    encode: (images, options) => calls.call("encode", { images, options }),
    decode: (bytes) => calls.call("decode", bytes),
    verify: (png) => calls.call("verify", png),
    close: () => calls.end(new EngineError("the model was closed")),
  };
}

/** The worker beside this module. */
function moduleWorker() {
  return new Worker(policy.createScriptURL(new URL("worker.js", import.meta.url).href), { type: "module" });
}

class Calls {
  #next = 0;
  /** @type {Map<number, Caller>} */
  #callers = new Map();
  /** Why no call is answered any more. @type {Error | null} */
  #ended = null;

  /** @param {Worker} worker */
  constructor(worker) {
    this.worker = worker;
    worker.addEventListener("message", ({ data }) => this.#hear(data));
    worker.addEventListener("error", () => this.end(new EngineError("the engine's worker cannot run")));
  }

  /**
   * @param {string} call
   * @param {any} argument
   * @param {Function} [onRow]
   * @returns {Promise<any>}
   */
  call(call, argument, onRow) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#callers.set(id, { resolve, reject, onRow });
      this.worker.postMessage({ id, call, argument });
    });
  }

  /**
   * @param {string} call
   * @param {any} options
   */
  draw(call, { onRow, signal, ...argument }) {
    signal?.throwIfAborted();
    const id = this.#next;
    signal?.addEventListener("abort", () => this.worker.postMessage({ id, call: "abort" }), { once: true });
    return this.call(call, argument, onRow);
  }

  /** @param {any} message */
  #hear({ id, row, result, error }) {
    const caller = this.#callers.get(id);
    if (!caller) return;
    if (row) return caller.onRow?.(...row);
    this.#callers.delete(id);
    if (!error) return caller.resolve(result);
    caller.reject(
      Object.assign(error.name === "EngineError" ? new EngineError(error.message) : new Error(error.message), {
        name: error.name,
      }),
    );
  }

  /** @param {Error} error that those who wait are told, and whoever calls later */
  end(error) {
    this.worker.terminate();
    this.#ended = error;
    for (const caller of this.#callers.values()) caller.reject(error);
    this.#callers.clear();
  }
}
