/**
 * Draws images in a browser or in Node: the bytes that the service draws with `numerics` cpu-compiled.
 *
 *     import { load } from "./engine/index.js";
 *     const model = await load("models/mnist-diagonal-bilstm/");
 *     const [image] = await model.sample({ seed: 7 });
 */

/** @import {Description, Guide, GuideDescription, WeightsFile} from "./types" */

import { EngineError, readJson, readVerified } from "./files.js";
import { Model } from "./model.js";
import { isOrientation } from "./orientation.js";
import { programOf } from "./program.js";

export { EngineError, Model };
const FORMATS = [3, 4];

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
  const weightsOf = (/** @type {WeightsFile} */ { file, sha256 }) => readVerified(new URL(file, folder), sha256);
  const [program, guides, ...weights] = await Promise.all([
    programOf(description),
    Promise.all((description.guides ?? []).map((guide) => guideOf(guide, description, weightsOf))),
    ...description.members.map(({ weights }) => weightsOf(weights)),
  ]);
  return new Model(program, description, weights, guides);
}

/**
 * A member, or a network of its own, whatever its kind.
 *
 * @param {GuideDescription} guide
 * @param {Description} guided
 * @param {(file: WeightsFile) => Promise<Uint8Array>} weightsOf
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
  if (!FORMATS.includes(format) || !image || ![lists.table, lists.members, lists.labels].every(Array.isArray)) {
    throw new EngineError(`${folder} has format ${format}: this engine reads ${FORMATS.join(" and ")}`);
  }
  const odd = [...description.members, ...(description.guides ?? [])].find(
    ({ orientation }) => !isOrientation(orientation),
  );
  if (odd) throw new EngineError(`${folder} has a member with the unknown orientation ${odd.orientation}`);
}
