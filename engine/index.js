/**
 * Draw images in a browser or in Node: the entry point of the JavaScript engine.
 *
 * The images have the bytes that the service draws with `numerics` cpu-compiled.
 *
 *     import { load } from "./engine/index.js";
 *     const model = await load("models/mnist-diagonal-bilstm/");
 *     const [image] = await model.sample({ seed: 7 });
 *
 * Node needs version 20 or later; a browser needs WebAssembly with SIMD.
 */

/** @import {Description, Guide, GuideDescription, WeightsFile} from "./types" */

import { drawAddressed, seedOf } from "./addressed.js";
import { EngineError, readJson, readVerified } from "./files.js";
import { Model } from "./model.js";
import { isOrientation } from "./orientation.js";
import { programOf } from "./program.js";

export { drawAddressed, EngineError, Model, seedOf };
/** Versions of portable.json that this engine reads. */
const FORMATS = [3, 4];

/**
 * Load a model from a folder that `pixelrnn export` wrote.
 *
 * Reads portable.json, the weights of every member and guide, and the compiled
 * WebAssembly module of the network's kind, over HTTP or from disk. Compiled modules
 * stay in memory, so a second model of the same kind loads faster.
 *
 * @param {string | URL} url - Address of the folder. A relative address is resolved
 *     against the page, in Node against the working directory. A missing slash at the
 *     end is added.
 * @returns {Promise<Model>} The model, ready to draw.
 * @throws {TypeError} if the address cannot be parsed.
 * @throws {EngineError} if a file cannot be read or has the wrong sha256, if
 *     portable.json is not JSON or has an unknown format, if the model needs another
 *     version of the engine, or if the machine has too little memory or no WebAssembly
 *     with SIMD.
 */
export async function load(url) {
  const folder = folderAt(url);
  const description = /** @type {Description} */ (await readJson(new URL("portable.json", folder)));
  check(description, folder);
  const weightsOf = (/** @type {WeightsFile} */ { file, sha256 }) => readVerified(new URL(file, folder), sha256);
  const [program, guides, ...weights] = await Promise.all([
    programOf(description),
    Promise.all((description.guides ?? []).map((guide) => guideOf(guide, description, weightsOf))),
    ...description.members.map(({ weights }) => weightsOf(weights)),
  ]);
  return new Model(program, description, weights, guides);
}

/**
 * Load one guide: a network that proposes draws for holes and does not change the
 * model's probabilities.
 *
 * A guide is either a member of the model or a network with weights of its own, which
 * may be of another kind.
 *
 * @param {GuideDescription} guide - Its entry in portable.json.
 * @param {Description} guided - The description of the model; it supplies every field
 *     that the entry lacks.
 * @param {(file: WeightsFile) => Promise<Uint8Array>} weightsOf - Reads and verifies
 *     one file of weights.
 * @returns {Promise<Guide>}
 */
async function guideOf({ orientation, member, ...own }, guided, weightsOf) {
  const description = { ...guided, ...own };
  const [program, weights] = await Promise.all([
    programOf(description),
    weightsOf(own.weights ?? guided.members[member ?? 0].weights),
  ]);
  return { orientation, member, description, program, weights };
}

/**
 * Return the absolute URL of a folder, with a slash at the end. Reads no file.
 *
 * @param {string | URL} url - Absolute, or relative to the page; in Node, relative to
 *     the working directory.
 * @returns {URL}
 * @throws {TypeError} if the URL cannot be parsed.
 */
export function folderAt(url) {
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  const { process } = /** @type {any} */ (globalThis);
  const base = here ?? `file://${process?.cwd() ?? ""}/`;
  const folder = new URL(url, base);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return folder;
}

/**
 * Raise EngineError unless the engine can read this portable.json.
 *
 * Only the fields that loading depends on are checked.
 *
 * @param {Description} description
 * @param {URL} folder - Named in the message.
 */
function check(description, folder) {
  const { format, image, ...lists } = description ?? {};
  if (!FORMATS.includes(format) || !image || ![lists.table, lists.members, lists.labels].every(Array.isArray)) {
    throw new EngineError(`${folder} has format ${format}: this engine reads ${FORMATS.join(" and ")}`);
  }
  const odd = [...description.members, ...(description.guides ?? [])].find(
    ({ orientation }) => !isOrientation(orientation),
  );
  if (odd) throw new EngineError(`${folder} has a member with the unknown orientation ${odd.orientation}`);
}
