/** Many images through one network: the range coder stands in the place of the noise, as in model_core/codec/lanes.py. */

/** @import {Coder, Drawing, Size3} from "./types" */

import { joined } from "./container.js";
import { sha256 } from "./sha256.js";

/** @import {Stage} from "./stage.js" */

const BYTES_A_VALUE = 8;
const FIRST_BYTES = 8;
/** Registers of a coder: compiled/range_coder.py. */
const [LOW, RANGE, READ, PLACE] = [0, 1, 2, 3];
const WHOLE = 2n ** 64n - 1n;
const CANARY_HEX = 16;
/** @type {Drawing} */
const NOTHING = { seed: 0n, sample: 0, temperature: 1 };

/** @returns {BigUint64Array} */
const newRegisters = () => BigUint64Array.from([0n, WHOLE, 0n, 0n]);

/** Puts out the bytes of one image after the other. */
class EncodingLane {
  #registers = newRegisters();
  /** @type {Uint8Array[]} */
  #code = [];

  /** @returns {Coder} */
  beforeImage() {
    return { registers: this.#registers, code: new Uint8Array() };
  }

  /** @param {Coder} coder */
  afterImage({ registers, code }) {
    this.#code.push(code.subarray(0, Number(registers[PLACE])));
    this.#registers = registers;
    this.#registers[PLACE] = 0n;
  }

  /** All bytes, the last of them the shortest that lies in the interval; zeros at the end are left out. */
  finish() {
    const [low, range] = [this.#registers[LOW], this.#registers[RANGE]];
    const last = new Uint8Array(8);
    for (let free = 56n; free >= 0n; free -= 8n) {
      const number = ((low + (1n << free) - 1n) >> free) << free;
      if (number < low + range) {
        new DataView(last.buffer).setBigUint64(0, number);
        break;
      }
    }
    const bytes = joined([...this.#code, last]);
    return bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1);
  }
}

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
 * The bytes of each lane, for images as the network reads them; labels: theirs, if they have any.
 *
 * @param {Stage} stage - nobody else's meanwhile
 * @param {Uint8Array[]} images
 * @param {number} lanes
 * @param {Size3} size
 * @param {number[]} [labels]
 */
export function encodeLanes(stage, images, lanes, size, labels) {
  const streams = Array.from({ length: lanes }, () => new EncodingLane());
  const keep = new Uint8Array(size.height * size.width).fill(1);
  const given = (/** @type {number} */ i) => ({ known: images[i], keep, weighed: keep, label: labels?.[i] });
  code(stage, images.length, streams, size, given, () => {});
  return streams.map((stream) => stream.finish());
}

/**
 * The images, as the network reads them, of the bytes of each lane.
 *
 * @param {Stage} stage - nobody else's meanwhile
 * @param {Uint8Array[]} streams
 * @param {number} count
 * @param {Size3} size
 * @param {number[]} [labels]
 */
export function decodeLanes(stage, streams, count, size, labels) {
  const lanes = streams.map((stream) => new DecodingLane(stream, size.channels * size.height * size.width));
  /** @type {Uint8Array[]} */
  const images = new Array(count);
  code(
    stage,
    count,
    lanes,
    size,
    (i) => ({ label: labels?.[i] }),
    (i, slot) => {
      images[i] = stage.values(slot);
    },
  );
  return images;
}

/**
 * Let each lane's slot code its images, every so many-th, all lanes side by side.
 *
 * @param {Stage} stage
 * @param {number} count
 * @param {(EncodingLane | DecodingLane)[]} lanes
 * @param {Size3} size
 * @param {(image: number) => Partial<Drawing>} drawing
 * @param {(image: number, slot: number) => void} ended
 */
function code(stage, count, lanes, { height }, drawing, ended) {
  const at = lanes.map((_, slot) => slot);
  const open = (/** @type {number} */ slot) =>
    stage.open(slot, { ...NOTHING, ...drawing(at[slot]), coder: lanes[slot].beforeImage() });
  let busy = at.filter((index) => index < count);
  busy.forEach(open);
  while (busy.length) {
    for (const [slot, y] of stage.step(busy)) {
      if (y < height - 1) continue;
      lanes[slot].afterImage(stage.coder(slot));
      ended(at[slot], slot);
      at[slot] += lanes.length;
      if (at[slot] < count) open(slot);
    }
    busy = lanes.map((_, slot) => slot).filter((slot) => at[slot] < count);
  }
}

/**
 * A digest of the state that a network is in once a fixed image is encoded, and of its code: model_core/codec/canary.py.
 * The stage must be a new one.
 *
 * @param {Stage} stage
 * @param {Size3 & {values: number}} image
 * @param {boolean} hasLabels
 */
export async function canary(stage, image, hasLabels) {
  const { channels, height, width, values } = image;
  const pixels = height * width;
  const noise = stage.noiseOf(0n, 0);
  const known = Uint8Array.from(noise, (_, i) => noise[(i % pixels) * channels + Math.floor(i / pixels)] * values);
  const [bytes] = encodeLanes(stage, [known], 1, image, hasLabels ? [0] : undefined);
  return (await sha256(joined([bytes, ...stage.kept(0)]))).slice(0, CANARY_HEX);
}
