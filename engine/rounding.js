/**
 * Find out whether this machine's relaxed multiply-add rounds once.
 *
 * WebAssembly lets the instruction round once or twice, but requires the same choice
 * for all numbers as long as a module runs. So a few well-chosen sums are enough to
 * tell.
 */

/** @import {Instance} from "./program.js" */

/** Sums that are computed together. */
const LANES = 16;
/**
 * Bits of the float32 numbers a, b, c and of a * b + c rounded once. Any other way of
 * computing gives at least one wrong sum, also double rounding by way of float64.
 */
const SUMS = Uint32Array.from([
  0xb54aebcf, 0xbfab7861, 0xcc9ccaee, 0x44ec3a73, 0x433ca62d, 0xc0be37de, 0x362224cf, 0xc808f157, 0x33800020,
  0x33800002, 0x33800020, 0xb3800008, 0x1a000001, 0x1a000001, 0x1a000008, 0x1a000000, 0x48495870, 0x3a7f57aa,
  0xb5d76490, 0x37fd80dd, 0xc3242418, 0xbd631168, 0x40d01b54, 0x33bb058b, 0x3f7fffc0, 0x3f7ffffc, 0x3f7fffc0,
  0x3f7ffff0, 0x19fffffe, 0x19fffffe, 0x19fffff0, 0x1a000000, 0x3d85cb18, 0xb163dafe, 0xbc72b4fc, 0x3aa93152,
  0x3c0d397a, 0xbe6d7566, 0xb50cf14b, 0xb907b255, 0x3f800025, 0x3f800007, 0x3f80003d, 0x3f800015, 0x00400035,
  0x00400017, 0x8040004f, 0x80000009, 0xbdb96767, 0xbaab07bd, 0x4303e83b, 0x3d6f3637, 0xc6f1ea17, 0x3dc7f717,
  0x377ecf5a, 0xbc4a354d, 0x3f800025, 0x3f800007, 0x3f80003d, 0x3f800015, 0x00400035, 0x00400017, 0x8040004f,
  0x80000008,
]);

/**
 * The smallest module that contains the instruction: one function that applies it to
 * zeros.
 */
const SMALLEST = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x13, 0x01, 0x11, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x85, 0x02, 0x0b],
]);

/**
 * Return true if this machine's WebAssembly has the relaxed multiply-add instruction.
 *
 * @returns {boolean}
 */
export const hasRelaxed = () => WebAssembly.validate(SMALLEST);

/**
 * Return true if the relaxed multiply-add of an instance rounds once.
 *
 * @param {Instance} instance - A new instance of a relaxed module. Its free memory is
 *     overwritten and may grow.
 * @returns {boolean}
 * @throws {EngineError} if there is too little memory.
 */
export function roundsOnce(instance) {
  instance.reach(instance.free + SUMS.byteLength);
  const words = new Uint32Array(instance.memory.buffer, instance.free, SUMS.length);
  words.set(SUMS.subarray(0, 3 * LANES));
  instance.multiplyAdd(instance.free);
  return words.every((word, i) => word === SUMS[i]);
}
