/**
 * The memory layout of a drawing loop: the table of its arguments, its arrays and the
 * weights.
 *
 * portable.json describes the entries; model_core/portable/table.py writes them.
 */

/** @import {Entry, Size} from "./types" */

import { EngineError } from "./files.js";

/** @import {Instance} from "./program.js" */

/** Bytes of one number of the table. */
const WORD = 8;
/** Arrays begin at multiples of so many bytes. */
const ALIGNMENT = 64;
/** Bytes of scratch space behind the arrays, for the arguments of `uniform`. */
const PAGE = 65536;
const VIEWS = {
  bool: Uint8Array,
  uint8: Uint8Array,
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/**
 * Round a number of bytes up to a multiple of ALIGNMENT.
 *
 * @param {number} bytes
 */
const aligned = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * Return the shape of an array for so many images: a size [a, b] stands for a + b *
 * images.
 *
 * @param {Size[]} shape
 * @param {number} images
 */
const sizes = (shape, images) => shape.map((size) => (Array.isArray(size) ? size[0] + size[1] * images : size));

/**
 * Return the number of entries of an array.
 *
 * @param {number[]} shape
 */
const product = (shape) => shape.reduce((a, b) => a * b, 1);

/**
 * The arrays of one drawing loop in the memory of its instance, by name.
 *
 * A stage makes one. The constructor lays out the memory, grows it and writes the
 * table, the weights and the first values. `floats`, `integers` and `bytes` return
 * views of an array, which change the memory if they are written and become
 * invalid if the memory grows. An unknown name raises EngineError.
 */
export class Table {
  /** @type {Map<string, {entry: Entry, shape: number[], address: number, word: number}>} */
  #places = new Map();
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** The first address behind all arrays; the stage uses it as scratch space. */
  spare = 0;

  /**
   * @param {Instance} instance - A new instance; its memory grows.
   * @param {Entry[]} entries - Entries of portable.json, in the order of the loop's
   *     arguments.
   * @param {Uint8Array} weights - Packed weights of one network.
   * @param {number} images - Number of images for which there is room.
   * @throws {EngineError} if there is too little memory, or if an entry is unknown.
   */
  constructor(instance, entries, weights, images) {
    this.memory = instance.memory;
    this.address = instance.free;
    const base = this.#lay(instance, entries, images, aligned(weights.length));
    new Uint8Array(this.memory.buffer, base, weights.length).set(weights);
    for (const { entry, shape, address } of this.#places.values()) this.#fill(entry, shape, address);
  }

  /**
   * Give every array an address and write the table; return the address of the weights.
   *
   * @param {Instance} instance
   * @param {Entry[]} entries
   * @param {number} images
   * @param {number} weightBytes
   */
  #lay(instance, entries, images, weightBytes) {
    let words = 0;
    const laid = entries.map((entry) => {
      const shape = sizes(entry.shape ?? [], images);
      const word = words;
      words += 1 + shape.length;
      return { entry, shape, word };
    });
    // In the memory come first the table, then the weights, then the other arrays.
    const base = this.address + aligned(words * WORD);
    let end = base + weightBytes;
    for (const { entry, shape, word } of laid) {
      if (!entry.dtype) {
        this.#numbers.set(entry.name, Number(entry.value));
        continue;
      }
      const address = entry.at === undefined ? end : base + entry.at;
      if (entry.at === undefined) end += aligned(product(shape) * VIEWS[entry.dtype].BYTES_PER_ELEMENT);
      this.#places.set(entry.name, { entry, shape, address, word });
    }
    this.spare = end;
    instance.reach(end + PAGE);
    const table = new BigInt64Array(this.memory.buffer, this.address, words);
    for (const { entry, shape, word } of laid) {
      // Of an array, the loop reads its address and its shape; of a number, its value.
      const first = entry.dtype ? this.#of(entry.name).address : Number(entry.value);
      [first, ...shape].forEach((number, i) => (table[word + i] = BigInt(number)));
    }
    return base;
  }

  /**
   * Write the first values of an array.
   *
   * @param {Entry} entry
   * @param {number[]} shape
   * @param {number} address
   */
  #fill(entry, shape, address) {
    if (entry.at !== undefined || entry.fill === "zeros" || entry.fill === "drawer") return;
    const view = this.#view(entry, address, product(shape));
    const width = shape[shape.length - 1];
    if (entry.fill === "count") {
      for (let i = 0; i < view.length; i++) view[i] = entry.dtype === "int64" ? BigInt(i % width) : i % width;
    } else if (entry.fill === "outside") {
      this.begin(entry.name, 0, shape[1] - (entry.last === "zero" ? 1 : 0));
    } else {
      throw new EngineError(`the first values of ${entry.name} are ${entry.fill}: expected zeros, count or outside`);
    }
  }

  /**
   * Set some cells of an array (L, cells, width) to the state outside an image.
   *
   * @param {string} name
   * @param {number} first - Index of the first cell.
   * @param {number} end - Index after the last cell.
   */
  begin(name, first, end) {
    const [layers, cells, width] = this.shape(name);
    const view = this.floats(name);
    const outside =
      this.#of(name).entry.fill === "outside" ? this.floats(`outside.${name}`) : new Float32Array(layers * width);
    for (let layer = 0; layer < layers; layer++) {
      const cell = outside.subarray(layer * width, (layer + 1) * width);
      for (let c = first; c < end; c++) view.set(cell, (layer * cells + c) * width);
    }
  }

  /**
   * Return the place of an array. Raise EngineError if it is unknown.
   *
   * @param {string} name
   */
  #of(name) {
    const place = this.#places.get(name);
    if (!place) throw new EngineError(`the model's description has no ${name}`);
    return place;
  }

  /**
   * Return a view of an array in the memory.
   *
   * @param {Entry} entry
   * @param {number} address
   * @param {number} length
   */
  #view(entry, address, length) {
    return new VIEWS[/** @type {keyof typeof VIEWS} */ (entry.dtype)](this.memory.buffer, address, length);
  }

  /**
   * Return the value of an entry that is a single number.
   *
   * @param {string} name
   */
  number(name) {
    return /** @type {number} */ (this.#numbers.get(name));
  }

  /**
   * Return the shape of an array.
   *
   * @param {string} name
   */
  shape(name) {
    return this.#of(name).shape;
  }

  /**
   * Return the address of an array in bytes.
   *
   * @param {string} name
   */
  addressOf(name) {
    return this.#of(name).address;
  }

  /**
   * Return the names of the arrays that each image starts anew.
   *
   * @returns {string[]}
   */
  get kept() {
    return this.named(({ kept }) => kept);
  }

  /**
   * Return the names of the arrays whose entries a predicate accepts.
   *
   * @param {(entry: Entry) => boolean | undefined} wanted
   */
  named(wanted) {
    return [...this.#places.values()].flatMap(({ entry }) => (wanted(entry) ? [entry.name] : []));
  }

  /**
   * Return a view of a whole array.
   *
   * @param {string} name
   */
  #array(name) {
    const { entry, shape, address } = this.#of(name);
    return this.#view(entry, address, product(shape));
  }

  /**
   * Return a view of an array of int64.
   *
   * @param {string} name
   */
  integers(name) {
    return /** @type {BigInt64Array} */ (this.#array(name));
  }

  /**
   * Return a view of an array of float32 or float64.
   *
   * @param {string} name
   */
  floats(name) {
    return /** @type {Float32Array | Float64Array} */ (this.#array(name));
  }

  /**
   * Return a view of an array of bytes.
   *
   * @param {string} name
   */
  bytes(name) {
    return /** @type {Uint8Array} */ (this.#array(name));
  }

  /**
   * Write another length of an array (n,) into the table; the array itself stays.
   *
   * @param {string} name
   * @param {number} length
   */
  shorten(name, length) {
    const { word } = this.#of(name);
    new BigInt64Array(this.memory.buffer, this.address, word + 2)[word + 1] = BigInt(length);
  }
}
