/** Load a model in a Web Worker, so that the page stays responsive while it draws. */

/** @import {Portable} from "./types" */

import { EngineError, folderAt } from "./index.js";

/** A call that waits for its result. @typedef {{resolve: (value: any) => void, reject: (error: Error) => void, onRow?: Function}} Caller */

/**
 * A page may require Trusted Types for the address of a worker.
 *
 * @type {{createScriptURL: (url: string) => any}}
 */
const policy = /** @type {any} */ (globalThis).trustedTypes?.createPolicy("pixelrnn-engine", {
  createScriptURL: (/** @type {string} */ url) => url,
}) ?? { createScriptURL: (url) => url };

/**
 * The parts that a page contains if it cannot fetch, such as a page opened from disk.
 * script: URL of the whole worker as one classic script. files: content of the model's
 * and the engine's files by absolute URL.
 *
 * @typedef {{script: string, files: Map<string, Uint8Array<ArrayBuffer>>}} Embedded
 */

/**
 * Start a Web Worker and load a model in it.
 *
 * The result has the properties and methods of the model that `load` returns, and
 * `close()`, which ends the worker. After that, all calls that have no result yet, and
 * all later ones, are rejected with an EngineError; `isClosed` is true then, also if the
 * worker has ended by an error. Calls run one after the other. `signal` of `sample` and
 * `complete` cancels a call.
 *
 * @param {string | URL} url - Address of the folder that `pixelrnn export` wrote,
 *     relative to the page.
 * @param {Embedded} [embedded] - Worker and files of a page that cannot fetch. Default:
 *     fetch them.
 * @returns {Promise<Portable & {close: () => void, readonly isClosed: boolean}>}
 * @throws {TypeError} if the address cannot be parsed.
 * @throws {EngineError} if a file cannot be read or has the wrong sha256, if the engine
 *     cannot read the model, if there is too little memory or no WebAssembly with SIMD,
 *     or if the worker cannot run. The worker is ended then.
 */
export async function loadInWorker(url, embedded) {
  const calls = new Calls(embedded ? new Worker(policy.createScriptURL(embedded.script)) : moduleWorker());
  const load = async () => {
    // A worker does not share the page's memory: it needs its own copy of the files
    // before it loads the model.
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
    verify: (png) => calls.call("verify", png),
    close: () => calls.end(new EngineError("the model was closed")),
    get isClosed() {
      return calls.isEnded;
    },
  };
}

/** Start the worker of worker.js as a module. */
function moduleWorker() {
  return new Worker(policy.createScriptURL(new URL("worker.js", import.meta.url).href), { type: "module" });
}

/** Calls to one worker that have no result yet, by number. */
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

  /** Return true if no call is answered any more. */
  get isEnded() {
    return this.#ended !== null;
  }

  /**
   * Send a call to the worker; return a promise of its result.
   *
   * @param {string} call - Name of a method of the model, or "embed" or "load".
   * @param {any} argument - Anything that structured cloning can copy.
   * @param {Function} [onRow] - Called with each finished row.
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
   * Send a call that reports rows and can be aborted.
   *
   * @param {string} call
   * @param {any} options - Options of `sample` or `complete`; `onRow` and `signal` stay
   *     in the page, since functions cannot be cloned.
   */
  draw(call, { onRow, signal, ...argument }) {
    signal?.throwIfAborted();
    const id = this.#next;
    signal?.addEventListener("abort", () => this.worker.postMessage({ id, call: "abort" }), { once: true });
    return this.call(call, argument, onRow);
  }

  /**
   * Handle a message of the worker: a row, a result, or an error.
   *
   * @param {any} message
   */
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

  /**
   * End the worker, and reject waiting and later calls with this error.
   *
   * @param {Error} error - Rejects the calls.
   */
  end(error) {
    this.worker.terminate();
    this.#ended = error;
    for (const caller of this.#callers.values()) caller.reject(error);
    this.#callers.clear();
  }
}
