/** The compiled drawing loop of a kind of network. */

/** @import {Description, Program} from "./types" */

import { EngineError, readJson, readVerified } from "./files.js";
import { hasRelaxed, roundsOnce } from "./rounding.js";

/** @typedef {{file: string, sha256: string}} ModuleFile */

const HERE = new URL(".", import.meta.url);
const PAGE = 65536;
/** Bytes: a cache line. */
const ALIGNMENT = 64;

/** @type {Map<string, Promise<Program>>} */
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
  let program = compiled.get(kind);
  if (!program) {
    program = relaxed(found.relaxed).then((module) => module ?? exact(found));
    compiled.set(kind, program);
    program.catch(() => compiled.delete(kind));
  }
  return program;
}

/**
 * The module that multiplies and adds as the machine does; null where it would not give the same bytes.
 *
 * @param {ModuleFile} found
 * @returns {Promise<Program | null>}
 */
async function relaxed({ file, sha256 }) {
  if (!hasRelaxed()) return null;
  const module = await WebAssembly.compile(await readVerified(new URL(file, HERE), sha256));
  return roundsOnce(new Instance(module)) ? { module, file } : null;
}

/**
 * The module that gives the same bytes everywhere.
 *
 * @param {ModuleFile} found
 * @returns {Promise<Program>}
 */
async function exact({ file, sha256 }) {
  const bytes = await readVerified(new URL(file, HERE), sha256);
  try {
    return { module: await WebAssembly.compile(bytes), file };
  } catch (error) {
    throw new EngineError(`WebAssembly with SIMD is needed, and this browser cannot run it: ${error}`);
  }
}

/** One loop with a memory of its own. */
export class Instance {
  /** @param {WebAssembly.Module} module */
  constructor(module) {
    const { exports } = instanceOf(module);
    this.memory = /** @type {WebAssembly.Memory} */ (exports.memory);
    const free = Number(/** @type {WebAssembly.Global} */ (exports.__heap_base).value);
    /** The first address that nobody uses. */
    this.free = Math.ceil(free / ALIGNMENT) * ALIGNMENT;
    /** Draw until a row is complete: its number of rows, -1 where a logit is not finite. */
    this.draw = /** @type {(table: number) => number} */ (exports.draw);
    /** Fill an array (H, W, C) with the noise of two keys and a stage word. */
    this.uniform = /** @type {(table: number) => number} */ (exports.uniform);
    /** Store 16 sums a * b + c behind the floats at an address: 16 of a, of b, of c. */
    this.multiplyAdd = /** @type {(address: number) => void} */ (exports.multiply_add);
  }
  /**
   * Let the memory have so many bytes at the least.
   *
   * @param {number} bytes
   */
  reach(bytes) {
    const lacking = bytes - this.memory.buffer.byteLength;
    try {
      if (lacking > 0) this.memory.grow(Math.ceil(lacking / PAGE));
    } catch {
      throw new EngineError(`too little memory: the model asks for ${Math.ceil(bytes / 2 ** 20)} MiB`);
    }
  }
}

/** @param {WebAssembly.Module} module */
function instanceOf(module) {
  try {
    return new WebAssembly.Instance(module);
  } catch (error) {
    throw new EngineError(`too little memory to begin: ${error}`);
  }
}
