/** The bytes of a file of coded images, as model_core/codec/container.py has them. Knows no model. */

/** @import {Orientation} from "./types" */

import { EngineError } from "./files.js";
import { ORIENTATIONS } from "./orientation.js";

/**
 * @typedef {{sha256: string, identity: string, member: Orientation, images: number, canary: string}} Header
 * @typedef {{images: number, lanes: Uint8Array[], valuesCrc: number}} Stripe
 */

const MAGIC = "PXRN";
/** The first version that names the model's identity, which stands behind the sha256; it is the one that is written. */
const VERSION = 2;
const CPU_COMPILED = 0;
const MAX_LANES = 16;
const SHA256_BYTES = 32;
const NAMES_AT = 11;
const CANARY_BYTES = 8;
const CRC_BYTES = 4;
const LONGEST_NUMBER = 5;
const LABELS_TOGETHER = 256;
const DAMAGED = "the file is damaged: the checksum of a";

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** @param {Uint8Array} bytes */
export function crc32(bytes) {
  let crc = -1;
  for (const byte of bytes) crc = (crc >>> 8) ^ CRC_TABLE[(crc ^ byte) & 255];
  return ~crc >>> 0;
}

/** @param {Uint8Array} bytes */
export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** @param {string} text */
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));

/** @param {Uint8Array[]} parts */
export function joined(parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return all;
}

/** @param {Uint8Array} bytes */
const viewOf = (bytes) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/**
 * @param {Uint8Array} part - with its checksum behind it
 * @param {string} name
 */
function checkCrc(part, name) {
  const end = part.length - CRC_BYTES;
  if (crc32(part.subarray(0, end)) !== viewOf(part).getUint32(end))
    throw new EngineError(`${DAMAGED} ${name} is wrong`);
}

/**
 * Read a file and check all its sums.
 *
 * @param {Uint8Array} bytes
 * @returns {{header: Header, stripes: Stripe[]}}
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
    throw new EngineError(`the file holds more than the ${header.images} images that it says`);
  }
  return { header, stripes };
}

/**
 * @param {Uint8Array} bytes
 * @returns {Header}
 */
function unpackHeader(bytes) {
  if (String.fromCharCode(...bytes.subarray(0, 4)) !== MAGIC) {
    throw new EngineError("this is no file of coded images: it does not begin with PXRN");
  }
  const [version = 1, numerics, member] = bytes.subarray(4);
  if (version !== 1 && version !== VERSION)
    throw new EngineError(`the file is of version ${version}: expected version 1 or ${VERSION}`);
  const size = headerBytes(version);
  if (bytes.length < size) throw new EngineError(`the file ends within its header: it has ${bytes.length} bytes`);
  checkCrc(bytes.subarray(0, size), "header");
  const images = viewOf(bytes).getUint32(7);
  if (numerics !== CPU_COMPILED || member >= ORIENTATIONS.length || !images) {
    throw new EngineError(
      "the file's header makes no sense: expected a known arithmetic, an orientation, and an image",
    );
  }
  const canaryAt = size - CRC_BYTES - CANARY_BYTES;
  const names = hex(bytes.subarray(NAMES_AT, canaryAt));
  const [sha256, identity] = [names.slice(0, 2 * SHA256_BYTES), names.slice(2 * SHA256_BYTES)];
  const canary = hex(bytes.subarray(canaryAt, canaryAt + CANARY_BYTES));
  return { sha256, identity, member: ORIENTATIONS[member], images, canary };
}

/** @param {number} version */
const headerBytes = (version) => NAMES_AT + version * SHA256_BYTES + CANARY_BYTES + CRC_BYTES;

/**
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
      `a stripe has ${images} images in ${count} lanes: expected 1 to ${MAX_LANES}, none without one`,
    );
  }
  const lengths = Array.from({ length: count }, next);
  const sum = lengths.reduce((a, b) => a + b, 0);
  const end = at + CRC_BYTES + sum + CRC_BYTES;
  if (end > bytes.length) throw new EngineError(`the file ends within a stripe; bytes missing: ${end - bytes.length}`);
  checkCrc(bytes.subarray(begin, end), "stripe");
  if (images > 8 * sum)
    throw new EngineError(`a stripe claims ${images} images in ${sum} bytes: expected at least a bit each`);
  const valuesCrc = viewOf(bytes).getUint32(at);
  at += CRC_BYTES;
  const lanes = lengths.map((length) => bytes.subarray(at, (at += length)));
  return { stripe: { images, lanes, valuesCrc }, end };
}

/**
 * A whole file.
 *
 * @param {Header} header
 * @param {Stripe[]} stripes
 */
export function pack({ sha256, identity, member, images, canary }, stripes) {
  const bytes = new Uint8Array(headerBytes(VERSION) - CRC_BYTES);
  for (let i = 0; i < MAGIC.length; i++) bytes[i] = MAGIC.charCodeAt(i);
  bytes.set([VERSION, CPU_COMPILED, ORIENTATIONS.indexOf(member)], 4);
  viewOf(bytes).setUint32(7, images);
  bytes.set(unhex(sha256 + identity + canary), NAMES_AT);
  return joined([withCrc(bytes), ...stripes.map(packStripe)]);
}

/** @param {Stripe} stripe */
function packStripe({ images, lanes: [first, ...others], valuesCrc }) {
  const lacking = Math.ceil(images / 8) - others.reduce((sum, { length }) => sum + length, 0);
  const longest = new Uint8Array(Math.max(first.length, lacking));
  longest.set(first);
  const lanes = [longest, ...others];
  const numbers = [images, lanes.length, ...lanes.map(({ length }) => length)].flatMap(numberOf);
  return withCrc(joined([Uint8Array.from(numbers), uint32(valuesCrc), ...lanes]));
}

/** @param {number} number */
function uint32(number) {
  const bytes = new Uint8Array(4);
  viewOf(bytes).setUint32(0, number);
  return bytes;
}

/** @param {Uint8Array} bytes */
const withCrc = (bytes) => joined([bytes, uint32(crc32(bytes))]);

/**
 * LEB128: seven bits a byte, the lowest first; the highest bit says that more follow.
 *
 * @param {number} number
 * @returns {number[]}
 */
const numberOf = (number) => (number < 128 ? [number] : [(number & 127) | 128, ...numberOf(number >>> 7)]);

/**
 * Labels as digits of one number for each LABELS_TOGETHER: model_core/codec/container.py.
 *
 * @param {number[]} labels
 * @param {number} count - how many labels there are
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
 * The labels of so many images at the beginning of a stripe's first lane, and what follows.
 *
 * @param {Uint8Array} bytes
 * @param {number} images
 * @param {number} count
 * @returns {[number[], Uint8Array]}
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
 * @param {number} images
 * @param {number} count
 */
const labelBytes = (images, count) => Math.ceil((BigInt(count) ** BigInt(images) - 1n).toString(2).length / 8);

/**
 * Undo `numberOf`.
 *
 * @param {Uint8Array} bytes
 * @param {number} at
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
