/**
 * Draws images in a browser or in Node: the bytes that the service draws with `numerics` cpu-compiled.
 *
 *     import { load } from "./engine/index.js";
 *     const model = await load("models/mnist-diagonal-bilstm/");
 *     const [image] = await model.sample({ seed: 7 });
 */

/** @import {Description} from "./types" */

import { EngineError, readJson, readVerified } from "./files.js";
import { Model } from "./model.js";
import { isOrientation } from "./orientation.js";
import { programOf } from "./program.js";

export { EngineError, Model };
const FORMAT = 3;

/**
 * The model of a folder that `pixelrnn export` wrote.
 *
 * @param {string | URL} url - of the folder; relative to the page, in Node to where it runs
 * @returns {Promise<Model>}
 */
export async function load(url) {
  const folder = folderAt(url);
  const description = /** @type {Description} */ (await readJson(new URL("portable.json", folder)));
  check(description, folder);
  const [program, ...weights] = await Promise.all([
    programOf(description),
    ...description.members.map(({ weights }) => readVerified(new URL(weights.file, folder), weights.sha256)),
  ]);
  return new Model(program, description, weights);
}

/** @param {string | URL} url */
export function folderAt(url) {
  const here = globalThis.document?.baseURI ?? globalThis.location?.href;
  const { process } = /** @type {any} */ (globalThis);
  const base = here ?? `file://${process?.cwd() ?? ""}/`;
  const folder = new URL(url, base);
  if (!folder.pathname.endsWith("/")) folder.pathname += "/";
  return folder;
}

/**
 * @param {Description} description
 * @param {URL} folder
 */
function check(description, folder) {
  const { format, image, ...lists } = description ?? {};
  if (format !== FORMAT || !image || ![lists.table, lists.members, lists.labels].every(Array.isArray)) {
    throw new EngineError(`${folder} has format ${format}: this engine reads ${FORMAT}`);
  }
  const odd = description.members.find(({ orientation }) => !isOrientation(orientation));
  if (odd) throw new EngineError(`${folder} has a member with the unknown orientation ${odd.orientation}`);
}
