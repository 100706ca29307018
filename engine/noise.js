/** The noise, as model_core/sampling/noise.py has it: numbers in [0, 1) of a seed, an image, and a stage word. */

/** @import {Program} from "./types" */

import { Instance } from "./program.js";

const WORD = 8;
/** What a call of `uniform` is handed. */
export const CALL_BYTES = 8 * WORD;
/** Stage words: of an image's pixels, and of the choice of a member and of a label. */
export const PIXELS = 0n;
const [MEMBER, LABEL] = [2n, 3n];

/**
 * Numbers of a seed and an image, put at an address.
 *
 * @param {Instance} instance
 * @param {number} scratch - the address of CALL_BYTES that are free
 * @param {{seed: bigint, sample: number}} of
 * @param {bigint} stage - which of the image's numbers
 * @param {number} address
 * @param {number[]} shape - (H, W, C)
 */
export function fillNoise(instance, scratch, of, stage, address, shape) {
  const words = [of.seed, BigInt(of.sample), stage, BigInt(address), ...shape.map(BigInt)];
  new BigUint64Array(instance.memory.buffer, scratch, words.length).set(words);
  instance.uniform(scratch);
}

/** Chooses what an image that is asked for without a member, or a label, is drawn by. */
export class Chooser {
  #instance;

  /** @param {Program} program */
  constructor(program) {
    this.#instance = new Instance(program.module);
    this.#instance.reach(this.#instance.free + CALL_BYTES + WORD);
  }

  /**
   * Which of so many members draws an image: each equally often.
   *
   * @param {{seed: bigint, sample: number}} of
   * @param {number} members
   */
  member(of, members) {
    return members === 1 ? 0 : Math.floor(this.#number(of, MEMBER) * members);
  }

  /**
   * The label of an image: each as often as its share says.
   *
   * @param {{seed: bigint, sample: number}} of
   * @param {number[]} shares
   */
  label(of, shares) {
    let sum = 0;
    const sums = shares.map((share) => (sum += share));
    const place = this.#number(of, LABEL) * sum;
    const found = sums.findIndex((each) => each > place);
    return found < 0 ? shares.length - 1 : found;
  }

  /**
   * @param {{seed: bigint, sample: number}} of
   * @param {bigint} stage
   */
  #number(of, stage) {
    const { memory, free } = this.#instance;
    const at = free + CALL_BYTES;
    fillNoise(this.#instance, free, of, stage, at, [1, 1, 1]);
    return new Float64Array(memory.buffer, at, 1)[0];
  }
}
