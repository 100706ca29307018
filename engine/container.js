/**
 * Read and write the byte format of files of coded images: header, stripes and
 * checksums.
 *
 * The format is that of model_core/codec/container.py. This module needs no model.
 */

/** @import {Orientation} from "./types" */

import { EngineError } from "./files.js";
import { ORIENTATIONS } from "./orientation.js";

/**
 * The facts at the beginning of a file: the model's weights (`sha256`) and identity, the
 * member that coded the images, their number, and the canary, a digest that differs on
 * machines whose arithmetic differs. All digests are hexadecimal.
 *
 * @typedef {{sha256: string, identity: string, member: Orientation, images: number, canary: string}} Header
 */

/**
 * Images that are decoded together. Lane i holds images i, i + lanes, i + 2 * lanes, ...
 * of the stripe. valuesCrc: CRC-32 of the upright values of all its images.
 *
 * @typedef {{images: number, lanes: Uint8Array[], valuesCrc: number}} Stripe
 */

const MAGIC = "PXRN";
/**
 * Version that is written. It is the first that names the model's identity, after the
 * sha256.
 */
const VERSION = 2;
/** Number of the arithmetic of the compiled loops. */
const CPU_COMPILED = 0;
const MAX_LANES = 16;
const SHA256_BYTES = 32;
/** Offset of the sha256 in the header, in bytes. */
const NAMES_AT = 11;
const CANARY_BYTES = 8;
const CRC_BYTES = 4;
/** Bytes of a variable-length number, at most. */
const LONGEST_NUMBER = 5;
/** Labels that are packed into one number: more would make its arithmetic slow. */
const LABELS_TOGETHER = 256;
const DAMAGED = "the file is damaged: the checksum of a";

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/**
 * Return the CRC-32 of some bytes (polynomial 0xedb88320, as in zip and PNG), from 0 to
 * 2^32 - 1.
 *
 * @param {Uint8Array} bytes
 * @returns {number}
 */
export function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

/**
 * Return bytes as lower-case hexadecimal digits, two for each byte.
 *
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * Return the bytes of hexadecimal digits.
 *
 * @param {string} text
 */
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/**
 * Return a new array of all bytes of several arrays, one after the other.
 *
 * @param {Uint8Array[]} parts
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/**
 * Return a DataView of exactly these bytes, which may be a part of a buffer.
 *
 * @param {Uint8Array} bytes
 */
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/**
 * Raise EngineError unless a part of a file ends with the checksum of its other bytes.
 *
 * @param {Uint8Array} part - Bytes, then their CRC-32 (4 bytes, big-endian).
 * @param {string} name - Name of the part in the message.
 */
function checkCrc(part, name) {
  const end = part.length - CRC_BYTES;
  if (crc32(part.subarray(0, end)) !== viewOf(part).getUint32(end))
    throw new EngineError(`${DAMAGED} ${name} is wrong`);
}

/**
 * Read the bytes of a file and verify the checksums of its header and stripes.
 *
 * The lanes are views of `bytes`, not copies. The checksums of the decoded values,
 * `valuesCrc`, are returned and not verified.
 *
 * @param {Uint8Array} bytes
 * @returns {{header: Header, stripes: Stripe[]}}
 * @throws {EngineError} if the bytes are no such file, have an unknown version, are cut
 *     off or damaged, or contain more than the header says.
 */
export function unpack(bytes) {
  const header = unpackHeader(bytes);
  const stripes = [];
  let [at, found] = [headerBytes(bytes[MAGIC.length]), 0];
  while (found < header.images) {
    const { stripe, end } = unpackStripe(bytes, at);
    stripes.push(stripe);
    found += stripe.images;
    at = end;
  }
  if (found > header.images || at !== bytes.length) {
    throw new EngineError(`the file contains more than the ${header.images} images that its header states`);
  }
  return { header, stripes };
}

/**
 * Read and check the header. Raise EngineError if it is invalid.
 *
 * @param {Uint8Array} bytes
 * @returns {Header}
 */
function unpackHeader(bytes) {
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) {
    throw new EngineError("this is not a file of coded images: it does not begin with PXRN");
  }
  // Files with fewer bytes than a header are reported below, as cut off.
  const [version = 1, numerics, member] = bytes.subarray(4);
  if (version !== 1 && version !== VERSION)
    throw new EngineError(`the file is of version ${version}: expected version 1 or ${VERSION}`);
  const size = headerBytes(version);
  if (bytes.length < size) throw new EngineError(`the file ends within its header: it has ${bytes.length} bytes`);
  checkCrc(bytes.subarray(0, size), "header");
  const images = viewOf(bytes).getUint32(7);
  if (numerics !== CPU_COMPILED || member >= ORIENTATIONS.length || !images) {
    throw new EngineError("the file's header is invalid: expected a known arithmetic, an orientation, and an image");
  }
  const canaryAt = size - CRC_BYTES - CANARY_BYTES;
  const names = hex(bytes.subarray(NAMES_AT, canaryAt));
  const [sha256, identity] = [names.slice(0, 2 * SHA256_BYTES), names.slice(2 * SHA256_BYTES)];
  const canary = hex(bytes.subarray(canaryAt, canaryAt + CANARY_BYTES));
  return { sha256, identity, member: ORIENTATIONS[member], images, canary };
}

/**
 * Return the length of the header of a version, in bytes.
 *
 * @param {number} version
 */
const headerBytes = (version) => NAMES_AT + version * SHA256_BYTES + CANARY_BYTES + CRC_BYTES;

/**
 * Read and check the stripe at an offset; return it and the offset after it.
 *
 * @param {Uint8Array} bytes
 * @param {number} begin
 */
function unpackStripe(bytes, begin) {
  let at = begin;
  const next = () => {
    const { number, end } = readNumber(bytes, at);
    at = end;
    return number;
  };
  const images = next();
  const count = next();
  if (count < 1 || count > MAX_LANES || images < count) {
    throw new EngineError(
      `a stripe has ${images} images in ${count} lanes: expected 1 to ${MAX_LANES} lanes, each with an image`,
    );
  }
  const lengths = Array.from({ length: count }, next);
  const sum = lengths.reduce((a, b) => a + b, 0);
  const end = at + CRC_BYTES + sum + CRC_BYTES;
  if (end > bytes.length) throw new EngineError(`the file ends within a stripe; bytes missing: ${end - bytes.length}`);
  checkCrc(bytes.subarray(begin, end), "stripe");
  // `packStripe` writes at least a bit for each image, so that a small damaged file
  // cannot make the decoder draw millions of images.
  if (images > 8 * sum)
    throw new EngineError(`a stripe claims ${images} images in ${sum} bytes: expected at least a bit each`);
  const valuesCrc = viewOf(bytes).getUint32(at);
  at += CRC_BYTES;
  const lanes = lengths.map((length) => bytes.subarray(at, (at += length)));
  return { stripe: { images, lanes, valuesCrc }, end };
}

/**
 * Return the bytes of a file with this header and these stripes. `unpack` reverses it.
 *
 * If a stripe has fewer bytes than one bit for each image, zeros are added to its first
 * lane, which do not change the decoded images.
 *
 * @param {Header} header - Its digests are hexadecimal: 64 digits of sha256 and
 *     identity, 16 of the canary.
 * @param {Stripe[]} stripes - At least one, in the order of their images.
 * @returns {Uint8Array<ArrayBuffer>} A new array.
 */
export function pack({ sha256, identity, member, images, canary }, stripes) {
  const bytes = new Uint8Array(headerBytes(VERSION) - CRC_BYTES);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  bytes.set([VERSION, CPU_COMPILED, ORIENTATIONS.indexOf(member)], 4);
  viewOf(bytes).setUint32(7, images);
  bytes.set(unhex(sha256 + identity + canary), NAMES_AT);
  return joined([withCrc(bytes), ...stripes.map(packStripe)]);
}

/**
 * Return the bytes of one stripe.
 *
 * @param {Stripe} stripe
 */
function packStripe({ images, lanes: [first, ...others], valuesCrc }) {
  // A reader refuses a stripe that claims more than 8 images for each byte, since a
  // small file could then ask for any amount of memory. Zeros behind a lane do not
  // change what it decodes to.
  const lacking = Math.ceil(images / 8) - others.reduce((sum, { length }) => sum + length, 0);
  const longest = new Uint8Array(Math.max(first.length, lacking));
  longest.set(first);
  const lanes = [longest, ...others];
  const numbers = [images, lanes.length, ...lanes.map(({ length }) => length)].flatMap(numberOf);
  return withCrc(joined([Uint8Array.from(numbers), uint32(valuesCrc), ...lanes]));
}

/**
 * Return a number as 4 bytes, big-endian.
 *
 * @param {number} number
 */
function uint32(number) {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, number);
  return bytes;
}

/**
 * Return the bytes with their CRC-32 behind them.
 *
 * @param {Uint8Array} bytes
 */
const withCrc = (bytes) => joined([bytes, uint32(crc32(bytes))]);

/**
 * Return a number as LEB128: seven bits in each byte, the lowest first; the highest bit
 * marks that another byte follows.
 *
 * @param {number} number
 * @returns {number[]}
 */
const numberOf = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...numberOf(number >>> 7)]);

/**
 * Return the labels of images as bytes: each LABELS_TOGETHER labels are the digits of
 * one big-endian number.
 *
 * @param {number[]} labels - Indices of labels, from 0 to count - 1.
 * @param {number} count - Number of labels that the model has; the base of the number.
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function packLabels(labels, count) {
  const parts = [];
  for (let first = 0; first < labels.length; first += LABELS_TOGETHER) {
    const part = labels.slice(first, first + LABELS_TOGETHER);
    let number = part.reduce((sum, label) => sum * BigInt(count) + BigInt(label), 0n);
    const bytes = new Uint8Array(labelBytes(part.length, count));
    for (let i = bytes.length - 1; i >= 0; i--, number >>= 8n) bytes[i] = Number(number & 255n);
    parts.push(bytes);
  }
  return joined(parts);
}

/**
 * Read the labels that `packLabels` wrote at the beginning of a stripe's first lane.
 *
 * @param {Uint8Array} bytes - The first lane.
 * @param {number} images - Number of images, and of labels to read.
 * @param {number} count - Number of labels that the model has.
 * @returns {[number[], Uint8Array]} The index of each image's label, and a view of the
 *     bytes that follow the labels.
 * @throws {EngineError} if the bytes end too early or name a label that the model does
 *     not have.
 */
export function unpackLabels(bytes, images, count) {
  const labels = new Array(images);
  let at = 0;
  for (let first = 0; first < images; first += LABELS_TOGETHER) {
    const end = Math.min(first + LABELS_TOGETHER, images);
    const part = bytes.subarray(at, (at += labelBytes(end - first, count)));
    if (at > bytes.length) throw new EngineError("the file ends within the labels of its images");
    let number = part.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
    for (let i = end - 1; i >= first; i--, number /= BigInt(count)) labels[i] = Number(number % BigInt(count));
    if (number) throw new EngineError("the file is damaged: a label is none of the model's");
  }
  return [labels, bytes.subarray(at)];
}

/**
 * Return how many bytes the packed labels of so many images take.
 *
 * @param {number} images
 * @param {number} count
 */
function labelBytes(images, count) {
  const largest = BigInt(count) ** BigInt(images) - 1n;
  // The digits of 0 are "0", but it takes no byte: of one label nothing is written.
  return largest ? Math.ceil(largest.toString(2).length / 8) : 0;
}

/**
 * Read a LEB128 number at an offset; return it and the offset after it.
 *
 * @param {Uint8Array} bytes
 * @param {number} at
 * @throws {EngineError} if it is cut off or longer than LONGEST_NUMBER bytes.
 */
function readNumber(bytes, at) {
  let number = 0;
  for (let i = 0; i < LONGEST_NUMBER; i++) {
    if (at + i >= bytes.length) throw new EngineError("the file ends within a stripe");
    number += (bytes[at + i] & 127) * 2 ** (7 * i);
    if (bytes[at + i] < 128) return { number, end: at + i + 1 };
  }
  throw new EngineError("the file is damaged: a number in it is too long");
}
