/**
 * Uniform numbers of a seed, from the counter-based generator of
 * model_core/sampling/noise.py.
 *
 * A number depends only on the seed, the image's number, a stage word that says what
 * the numbers are for, and its own position. So an image has the same noise in any
 * batch.
 */

/** @import {Program} from "./types" */

import { Instance } from "./program.js";

const WORD = 8;
/** Bytes of the arguments of the compiled function `uniform`. */
export const CALL_BYTES = 8 * WORD;
/** Stage word of the numbers that choose the values of an image's pixels. */
export const PIXELS = 0n;
/** Stage words of the numbers that choose an image's member and label. */
const [MEMBER, LABEL] = [2n, 3n];

/**
 * Write uniform numbers in [0, 1), as float64, into the memory of a WebAssembly
 * instance.
 *
 * @param {Instance} instance
 * @param {number} scratch - Address of CALL_BYTES free bytes; they are overwritten with
 *     the arguments of the call.
 * @param {{seed: bigint, sample: number}} of - Seed and number of the image.
 * @param {bigint} stage - Stage word: which of the image's numbers.
 * @param {number} address - Address of the first number to write.
 * @param {number[]} shape - (H, W, C) of the array to fill; H x W x C float64 must fit
 *     there.
 */
export function fillNoise(instance, scratch, of, stage, address, shape) {
  const words = [of.seed, BigInt(of.sample), stage, BigInt(address), ...shape.map(BigInt)];
  new BigUint64Array(instance.memory.buffer, scratch, words.length).set(words);
  instance.uniform(scratch);
}

/**
 * Chooses the member and the label of an image from the image's noise, as the service
 * does.
 *
 * Made from the compiled program of the model; the constructor raises EngineError if
 * there is too little memory for an instance of it. `member(of, members)` returns the
 * index of one of so many members, `label(of, shares)` the index of a label with the
 * given probabilities; `of` is the seed and the number of the image. The same image
 * always gets the same answer.
 */
export class Chooser {
  #instance;

  /** @param {Program} program */
  constructor(program) {
    this.#instance = new Instance(program.module);
    this.#instance.reach(this.#instance.free + CALL_BYTES + WORD);
  }

  /**
   * Return the index of the member that draws an image; each is equally likely.
   *
   * @param {{seed: bigint, sample: number}} of - Seed and number of the image.
   * @param {number} members - Number of members.
   */
  member(of, members) {
    return members === 1 ? 0 : Math.floor(this.#number(of, MEMBER) * members);
  }

  /**
   * Return the index of an image's label; each is as likely as its share of the sum.
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
   * Return one uniform number in [0, 1) of an image.
   *
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
