/**
 * Run the JavaScript engine in a Web Worker: carry out calls one after the other and post rows as
 * they are finished.
 *
 * A message {id, call, argument} is a call; {id, call: "abort"} cancels the call with
 * that id. Answers are {id, row}, {id, result} or {id, error: {name, message}}.
 */

import { embed } from "./files.js";
import { load } from "./index.js";

/** @type {Promise<import("./model.js").Model> | undefined} */
let model;
/** @type {Map<number, AbortController>} */
const running = new Map();
/** Settles when the call that was received last has ended. It is never rejected. */
let last = Promise.resolve();

addEventListener("message", ({ data: { id, call, argument } }) => {
  if (call === "abort") return running.get(id)?.abort();
  running.set(id, new AbortController());
  last = last.then(() => answer(id, call, argument));
});

/**
 * Carry out one call and post its result or its error.
 *
 * @param {number} id
 * @param {string} call
 * @param {any} argument
 */
async function answer(id, call, argument) {
  const { signal } = /** @type {AbortController} */ (running.get(id));
  try {
    signal.throwIfAborted();
    postMessage({ id, result: await carriedOut(id, call, argument, signal) });
  } catch (error) {
    const { name, message } = /** @type {Error} */ (error);
    postMessage({ id, error: { name, message } });
  } finally {
    running.delete(id);
  }
}

/**
 * Carry out a call and return its result, which must be an object that structured
 * cloning can copy.
 *
 * @param {number} id
 * @param {string} call
 * @param {any} argument
 * @param {AbortSignal} signal
 */
async function carriedOut(id, call, argument, signal) {
  if (call === "embed") return embed(argument);
  if (call === "load") {
    // The promise is kept, not the model, so that a failed load fails later calls too.
    model = load(argument);
    const { name, width, height, channels, values, palette, orientations, labels, module } = await model;
    return { name, width, height, channels, values, palette, orientations, labels, module };
  }
  const loaded = await /** @type {Promise<import("./model.js").Model>} */ (model);
  if (call === "score") return loaded.score(argument.values, argument.options);
  if (call === "surprise") return loaded.surprise(argument.values, argument.options);
  if (call === "classify") return loaded.classify(argument);
  if (call === "verify") return loaded.verify(argument);
  const onRow = (/** @type {any[]} */ ...row) => postMessage({ id, row });
  return call === "complete"
    ? loaded.complete({ ...argument, onRow, signal })
    : loaded.sample({ ...argument, onRow, signal });
}
