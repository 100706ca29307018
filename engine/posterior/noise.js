/** The noise of a completion: its particles', and that which chooses among them (model_core/sampling/noise.py). */

/** @import {Program} from "../types" */
/** @import {Noise} from "./types" */

import { CALL_BYTES, fillNoise } from "../noise.js";
import { Instance } from "../program.js";

const PARTICLE = 1n << 62n;
const CHOICE = 1n << 63n;

/**
 * The stage word of a particle's numbers.
 *
 * @param {number} sweep
 * @param {number} particle
 */
export const particleNoise = (sweep, particle) => PARTICLE | (BigInt(sweep) << 16n) | BigInt(particle);

export class Choices {
  #instance;

  /** @param {Program} program */
  constructor(program) {
    this.#instance = new Instance(program.module);
  }

  /**
   * Numbers in [0, 1) that choose among an image's particles, when they have come to row y, column x.
   *
   * @param {Noise} of
   * @param {number} sweep
   * @param {number} count
   * @param {number} [y]
   * @param {number} [x]
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
