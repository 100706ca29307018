/** A drawing loop's memory: its table, the arrays that it names, and the weights, as portable.json describes them. */

/** @import {Entry, Size} from "./types" */

import { EngineError } from "./files.js";

/** @import {Instance} from "./program.js" */

const WORD = 8;
const ALIGNMENT = 64;
const PAGE = 65536;
const VIEWS = {
  bool: Uint8Array,
  uint8: Uint8Array,
  float32: Float32Array,
  float64: Float64Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
};

/** @param {number} bytes */
const aligned = (bytes) => Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;

/**
 * @param {Size[]} shape
 * @param {number} images
 */
const sizes = (shape, images) => shape.map((size) => (Array.isArray(size) ? size[0] + size[1] * images : size));

/** @param {number[]} shape */
const product = (shape) => shape.reduce((a, b) => a * b, 1);

export class Table {
  /** @type {Map<string, {entry: Entry, shape: number[], address: number, word: number}>} */
  #places = new Map();
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** The first address behind everything: free for whoever draws. */
  spare = 0;

  /**
   * @param {Instance} instance
   * @param {Entry[]} entries
   * @param {Uint8Array} weights
   * @param {number} images - for how many there is room
   */
  constructor(instance, entries, weights, images) {
    this.memory = instance.memory;
    this.address = instance.free;
    const base = this.#lay(instance, entries, images, aligned(weights.length));
    new Uint8Array(this.memory.buffer, base, weights.length).set(weights);
    for (const { entry, shape, address } of this.#places.values()) this.#fill(entry, shape, address);
  }

  /**
   * Find a place for everything and write the table; returns where the weights lie.
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
      const first = entry.dtype ? this.#of(entry.name).address : Number(entry.value);
      [first, ...shape].forEach((number, i) => (table[word + i] = BigInt(number)));
    }
    return base;
  }

  /**
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
      throw new EngineError(`${entry.name} begins as ${entry.fill}: expected zeros, count or outside`);
    }
  }

  /**
   * Let some cells of an array (L, cells, width) be as what lies outside an image.
   *
   * @param {string} name
   * @param {number} first
   * @param {number} end
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

  /** @param {string} name */
  #of(name) {
    const place = this.#places.get(name);
    if (!place) throw new EngineError(`the model's description has no ${name}`);
    return place;
  }

  /**
   * @param {Entry} entry
   * @param {number} address
   * @param {number} length
   */
  #view(entry, address, length) {
    return new VIEWS[/** @type {keyof typeof VIEWS} */ (entry.dtype)](this.memory.buffer, address, length);
  }

  /** @param {string} name */
  number(name) {
    return /** @type {number} */ (this.#numbers.get(name));
  }

  /** @param {string} name */
  shape(name) {
    return this.#of(name).shape;
  }

  /** @param {string} name */
  addressOf(name) {
    return this.#of(name).address;
  }

  /** @returns {string[]} the arrays that each image begins anew */
  get kept() {
    return this.named(({ kept }) => kept);
  }

  /** @param {(entry: Entry) => boolean | undefined} wanted */
  named(wanted) {
    return [...this.#places.values()].flatMap(({ entry }) => (wanted(entry) ? [entry.name] : []));
  }

  /** @param {string} name */
  #array(name) {
    const { entry, shape, address } = this.#of(name);
    return this.#view(entry, address, product(shape));
  }

  /** @param {string} name */
  integers(name) {
    return /** @type {BigInt64Array} */ (this.#array(name));
  }

  /** @param {string} name */
  words(name) {
    return /** @type {BigUint64Array} */ (this.#array(name));
  }

  /** @param {string} name */
  floats(name) {
    return /** @type {Float32Array | Float64Array} */ (this.#array(name));
  }

  /** @param {string} name */
  bytes(name) {
    return /** @type {Uint8Array} */ (this.#array(name));
  }

  /**
   * Say that an array (n,) holds fewer numbers for now.
   *
   * @param {string} name
   * @param {number} length
   */
  shorten(name, length) {
    const { word } = this.#of(name);
    new BigInt64Array(this.memory.buffer, this.address, word + 2)[word + 1] = BigInt(length);
  }
}
