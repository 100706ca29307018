/**
 * Does a machine's relaxed multiply-add round once? The specification of WebAssembly lets it round once or twice, and asks
 * that it be the same for all numbers wherever a module runs: so a look at some sums tells.
 */

/** @import {Instance} from "./program.js" */

const LANES = 16;
/** Bits of a, b, c and a * b + c, rounded once: sums that any other way gets wrong, in float32, or by way of float64. */
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

/** A module whose one function adds with the instruction, of nothing but zeros. */
const SMALLEST = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, 0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b, 0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x13, 0x01, 0x11, 0x00, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x85, 0x02, 0x0b],
]);

/** Has this machine the instruction at all? */
export const hasRelaxed = () => WebAssembly.validate(SMALLEST);

/** @param {Instance} instance - a new one */
export function roundsOnce(instance) {
  instance.reach(instance.free + SUMS.byteLength);
  const words = new Uint32Array(instance.memory.buffer, instance.free, SUMS.length);
  words.set(SUMS.subarray(0, 3 * LANES));
  instance.multiplyAdd(instance.free);
  return words.every((word, i) => word === SUMS[i]);
}
