/** Files of coded images: the range coder stands in the place of the noise, as in model_core/codec. */

/** @import {Coder, Drawing} from "./types" */

import { crc32 } from "./container.js";
import { EngineError } from "./files.js";
import { sha256 } from "./sha256.js";

/** @import {Stage} from "./stage.js" */

const BYTES_A_VALUE = 8;
const FIRST_BYTES = 8;
/** Registers of a coder: compiled/range_coder.py. */
const [LOW, RANGE, READ, PLACE] = [0, 1, 2, 3];
const WHOLE = 2n ** 64n - 1n;
const CANARY_HEX = 16;

/** @returns {BigUint64Array} */
const newRegisters = () => BigUint64Array.from([0n, WHOLE, 0n, 0n]);

/** Takes in the bytes of one image after the other; behind the last are zeros. */
class DecodingLane {
  #code;
  #most;
  #at = FIRST_BYTES;
  #registers = newRegisters();

  /**
   * @param {Uint8Array} code
   * @param {number} size - how many values each image has
   */
  constructor(code, size) {
    this.#code = code;
    this.#most = BYTES_A_VALUE * size;
    for (let i = 0; i < FIRST_BYTES; i++) this.#registers[READ] = (this.#registers[READ] << 8n) | BigInt(code[i] ?? 0);
  }

  /** @returns {Coder} */
  beforeImage() {
    const code = new Uint8Array(this.#most);
    code.set(this.#code.subarray(this.#at, this.#at + this.#most));
    return { registers: this.#registers, code };
  }

  /** @param {Coder} coder */
  afterImage({ registers }) {
    this.#at += Number(registers[PLACE]);
    this.#registers = registers;
    this.#registers[PLACE] = 0n;
  }
}

/**
 * Images (upright or not: as the network reads them) of one stripe, side by side; each lane has every so many-th.
 *
 * @param {Stage} stage
 * @param {Uint8Array[]} streams - the bytes of each lane
 * @param {number} count
 * @param {{channels: number, height: number, width: number}} image
 */
export function decodeLanes(stage, streams, count, { channels, height, width }) {
  const lanes = streams.map((stream) => new DecodingLane(stream, channels * height * width));
  const at = lanes.map((_, slot) => slot);
  /** @type {Uint8Array[]} */
  const images = new Array(count);
  const open = (/** @type {number} */ slot) => stage.open(slot, { ...NOTHING, coder: lanes[slot].beforeImage() });
  let busy = at.filter((index) => index < count);
  busy.forEach(open);
  while (busy.length) {
    for (const [slot, y] of stage.step(busy)) {
      if (y < height - 1) continue;
      lanes[slot].afterImage(stage.coder(slot));
      images[at[slot]] = stage.values(slot);
      at[slot] += lanes.length;
      if (at[slot] < count) open(slot);
    }
    busy = lanes.map((_, slot) => slot).filter((slot) => at[slot] < count);
  }
  return images;
}

/** @type {Drawing} */
const NOTHING = { seed: 0n, sample: 0, temperature: 1 };

/**
 * A digest of the state that a network is in once a fixed image is encoded, and of its code: model_core/codec/canary.py.
 * The stage must be a new one.
 *
 * @param {Stage} stage
 * @param {{channels: number, height: number, width: number, values: number}} image
 */
export async function canary(stage, { channels, height, width, values }) {
  const pixels = height * width;
  const noise = stage.noiseOf(0n, 0);
  const known = Uint8Array.from(noise, (_, i) => noise[(i % pixels) * channels + Math.floor(i / pixels)] * values);
  const keep = new Uint8Array(pixels).fill(1);
  const coder = { registers: newRegisters(), code: new Uint8Array() };
  stage.open(0, { ...NOTHING, known, keep, weighed: true, coder });
  for (let rows = 0; rows < height; ) rows += stage.step([0]).length;
  const parts = [finished(stage.coder(0)), ...stage.kept(0)];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (all.set(part, at), at + part.length), 0);
  return (await sha256(all)).slice(0, CANARY_HEX);
}

/**
 * All bytes that were put out, the last of them the shortest that lies in the interval; zeros at the end are left out.
 *
 * @param {Coder} coder
 */
function finished({ registers, code }) {
  const place = Number(registers[PLACE]);
  const bytes = new Uint8Array(place + 8);
  bytes.set(code.subarray(0, place));
  for (let free = 56n; free >= 0n; free -= 8n) {
    const number = ((registers[LOW] + (1n << free) - 1n) >> free) << free;
    if (number < registers[LOW] + registers[RANGE]) {
      new DataView(bytes.buffer).setBigUint64(place, number);
      break;
    }
  }
  return bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
}

/**
 * The values of images one after the other must be those that were encoded.
 *
 * @param {Uint8Array[]} images
 * @param {number} expected
 */
export function checkValues(images, expected) {
  const size = images[0].length;
  const all = new Uint8Array(size * images.length);
  images.forEach((image, i) => all.set(image, i * size));
  if (crc32(all) !== expected) {
    throw new EngineError(
      "the file does not decode to the images that were encoded: the checksum of their values is wrong",
    );
  }
}
