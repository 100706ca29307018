/**
 * Load the compiled WebAssembly loop of a kind of network.
 *
 * There are two modules for each kind. The "relaxed" one is faster, but gives the right
 * bytes only on machines whose relaxed multiply-add rounds once; the other gives the
 * right bytes everywhere.
 */

/** @import {Description, Program} from "./types" */

import { EngineError, readJson, readVerified } from "./files.js";
import { hasRelaxed, roundsOnce } from "./rounding.js";

/** A file beside this one, from modules.json. @typedef {{file: string, sha256: string}} ModuleFile */

const HERE = new URL(".", import.meta.url);
/** Bytes of a page of WebAssembly memory. */
const PAGE = 65536;
/** Bytes of a cache line; arrays begin at multiples of it. */
const ALIGNMENT = 64;

/**
 * Kind of network and digest of the loop's sources -> its program, which is loaded once.
 * A page that stays open can load models of a later export, whose loops are others.
 *
 * @type {Map<string, Promise<Program>>}
 */
const compiled = new Map();

/**
 * Return the compiled program of a model's kind of network. It is loaded once and then
 * kept in memory.
 *
 * @param {Description} description - The model's portable.json.
 * @returns {Promise<Program>} The compiled module and the name of its file.
 * @throws {EngineError} if the engine has no such kind, if the weights were packed for
 *     another version of the engine, if a file cannot be read or has the wrong sha256,
 *     or if the machine has too little memory or no WebAssembly with SIMD.
 */
export async function programOf(description) {
  const { kind, sources } = description;
  const found = (await readJson(new URL("modules.json", HERE)))[kind];
  if (!found) throw new EngineError(`this engine cannot draw a network of the kind ${kind}`);
  if (found.sources !== sources) {
    throw new EngineError(`${description.name} was packed for another version of the engine: export it again`);
  }
  const key = `${kind} ${sources}`;
  let program = compiled.get(key);
  if (!program) {
    program = relaxed(found.relaxed).then((module) => module ?? exact(found));
    compiled.set(key, program);
    // A failed request must not be kept: the next call tries again.
    program.catch(() => compiled.delete(key));
  }
  return program;
}

/**
 * Return the faster module, or null if it would not give the right bytes on this
 * machine.
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
 * Return the module that gives the same bytes on every machine.
 *
 * @param {ModuleFile} found
 * @returns {Promise<Program>}
 */
async function exact({ file, sha256 }) {
  const bytes = await readVerified(new URL(file, HERE), sha256);
  try {
    return { module: await WebAssembly.compile(bytes), file };
  } catch (error) {
    throw new EngineError(`WebAssembly with SIMD is needed, and this machine cannot run it: ${error}`);
  }
}

/**
 * One instance of a compiled loop with a memory of its own.
 *
 * Stages and generators of noise make one each. `draw`, `uniform` and `multiplyAdd` are
 * functions of the module; they read their arguments from the memory, at an address.
 * The constructor and `reach` raise EngineError if there is too little memory.
 */
export class Instance {
  /** @param {WebAssembly.Module} module */
  constructor(module) {
    const { exports } = instanceOf(module);
    this.memory = /** @type {WebAssembly.Memory} */ (exports.memory);
    const free = Number(/** @type {WebAssembly.Global} */ (exports.__heap_base).value);
    /** The first address behind the module's own data. */
    this.free = Math.ceil(free / ALIGNMENT) * ALIGNMENT;
    /** Draw until at least one row is complete; return how many are, -1 if a logit is not finite. */
    this.draw = /** @type {(table: number) => number} */ (exports.draw);
    /** Fill an array (H, W, C) with noise; `fillNoise` in noise.js writes the arguments. */
    this.uniform = /** @type {(table: number) => number} */ (exports.uniform);
    /** Read 16 floats a, 16 floats b and 16 floats c; write the 16 sums a * b + c behind them. */
    this.multiplyAdd = /** @type {(address: number) => void} */ (exports.multiply_add);
  }

  /**
   * Grow the memory to at least so many bytes. Existing views of the memory become
   * invalid.
   *
   * @param {number} bytes
   * @throws {EngineError} if the machine has too little memory.
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

/**
 * Return an instance of a module. Raise EngineError if there is too little memory for
 * it.
 *
 * @param {WebAssembly.Module} module
 */
function instanceOf(module) {
  try {
    return new WebAssembly.Instance(module);
  } catch (error) {
    throw new EngineError(`too little memory to start: ${error}`);
  }
}
