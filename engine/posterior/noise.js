/**
 * Noise of a completion: that of its particles, and that which chooses among them
 * (model_core/sampling/noise.py).
 */

/** @import {Program} from "../types" */
/** @import {Noise} from "./types" */

import { CALL_BYTES, fillNoise } from "../noise.js";
import { Instance } from "../program.js";

// Bits that keep these stage words apart from those of ordinary images and from each
// other.
const PARTICLE = 1n << 62n;
const CHOICE = 1n << 63n;

/**
 * Return the stage word, which selects the noise, of one particle of a sweep.
 *
 * @param {number} sweep - Number of the sweep, below 2^46.
 * @param {number} particle - Index of the particle, below 2^16.
 * @returns {bigint} A different word for each pair.
 */
export const particleNoise = (sweep, particle) => PARTICLE | (BigInt(sweep) << 16n) | BigInt(particle);

/**
 * Uniform numbers in [0, 1) that choose among the particles of an image.
 *
 * A `Target` makes one with a WebAssembly instance of its own, which raises EngineError
 * if there is too little memory. `numbers` returns the same numbers for the same image,
 * sweep and pixel.
 */
export class Choices {
  #instance;

  /** @param {Program} program */
  constructor(program) {
    this.#instance = new Instance(program.module);
  }

  /**
   * Return uniform numbers in [0, 1) that choose among an image's particles at a pixel.
   *
   * @param {Noise} of - Seed and number of the image.
   * @param {number} sweep - Number of the sweep.
   * @param {number} count - How many numbers.
   * @param {number} [y] - Row of the pixel that the particles have come to.
   * @param {number} [x] - Column of that pixel.
   */
  numbers(of, sweep, count, y = 0, x = 0) {
    const { memory, free } = this.#instance;
    const at = free + CALL_BYTES;
    this.#instance.reach(at + count * Float64Array.BYTES_PER_ELEMENT);
    const word = CHOICE | (BigInt(sweep) << 26n) | (BigInt(y) << 13n) | BigInt(x);
    fillNoise(this.#instance, free, of, word, at, [1, count, 1]);
    return new Float64Array(memory.buffer, at, count).slice();
  }
}
