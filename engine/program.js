/** The compiled drawing loop of a kind of network. */

/** @import {Description, Program} from "./types" */

import { EngineError, readJson, readVerified } from "./files.js";

const HERE = new URL(".", import.meta.url);

/** @type {Map<string, Promise<WebAssembly.Module>>} */
const compiled = new Map();

/**
 * The program that a model's weights were packed for; compiled once.
 *
 * @param {Description} description
 * @returns {Promise<Program>}
 */
export async function programOf(description) {
  const { kind, sources } = description;
  const found = (await readJson(new URL("modules.json", HERE)))[kind];
  if (!found) throw new EngineError(`this engine draws no ${kind}`);
  if (found.sources !== sources) {
    throw new EngineError(`${description.name} was packed for another version of the engine: export it again`);
  }
  const url = new URL(found.file, HERE);
  let module = compiled.get(url.href);
  if (!module) {
    module = compile(url, found.sha256);
    compiled.set(url.href, module);
    module.catch(() => compiled.delete(url.href));
  }
  return { module: await module, kind };
}

/**
 * @param {URL} url
 * @param {string} digest
 */
async function compile(url, digest) {
  const bytes = await readVerified(url, digest);
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw new EngineError(`WebAssembly with SIMD is needed, and this browser cannot run it: ${error}`);
  }
}

/** One loop with a memory of its own. */
export class Instance {
  /** @param {Program} program */
  constructor(program) {
    const { exports } = new WebAssembly.Instance(program.module, { env: { log: Math.log } });
    this.memory = /** @type {WebAssembly.Memory} */ (exports.memory);
    this.free = Number(/** @type {WebAssembly.Global} */ (exports.__heap_base).value);
    /** Draw until a row is complete: its number of rows, -1 where a logit is not finite. */
    this.draw = /** @type {(table: number) => number} */ (exports.draw);
    /** Fill an array (H, W, C) with the noise of two keys and a stage word. */
    this.uniform = /** @type {(table: number) => number} */ (exports.uniform);
  }
}
