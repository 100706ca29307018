/**
 * Code many images through one network with range coders.
 *
 * A range coder takes the place of the noise that chooses values: it encodes known
 * values, or chooses the values that it decodes. The streams are those of
 * model_core/codec/lanes.py.
 */

/** @import {Coder, Drawing, Size3} from "./types" */

import { joined } from "./container.js";
import { sha256 } from "./sha256.js";

/** @import {Stage} from "./stage.js" */

/** Bytes of code that one value can take, at most. */
const BYTES_A_VALUE = 8;
/** Bytes that a decoder reads before the first value. */
const FIRST_BYTES = 8;
/** Registers of a coder: compiled/range_coder.py. */
const [LOW, RANGE, READ, PLACE] = [0, 1, 2, 3];
const WHOLE = 2n ** 64n - 1n;
/** Hexadecimal digits of a canary. */
const CANARY_HEX = 16;
/**
 * Fields of a drawing that a coder ignores.
 *
 * @type {Drawing}
 */
const NOTHING = { seed: 0n, sample: 0, temperature: 1 };

/**
 * Return the registers of a coder that has coded nothing yet.
 *
 * @returns {BigUint64Array}
 */
const newRegisters = () => BigUint64Array.from([0n, WHOLE, 0n, 0n]);

/** A stream of images that are encoded one after the other. */
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

  /**
   * Return all bytes of the stream.
   *
   * Behind them stand the fewest bytes that name a number in the coder's last interval.
   * Zeros at the end are left out, since a decoder reads zeros behind the end.
   */
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

/**
 * A stream of images that are decoded one after the other. Behind its last byte it
 * reads zeros.
 */
class DecodingLane {
  #code;
  #most;
  #at = FIRST_BYTES;
  #registers = newRegisters();

  /**
   * @param {Uint8Array} code
   * @param {number} size - Values of one image.
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
 * Encode images into several streams: image i belongs to lane i modulo `lanes`.
 *
 * @param {Stage} stage - A stage with at least `lanes` slots, which nobody else uses
 *     meanwhile. The images in its slots are replaced.
 * @param {Uint8Array[]} images - Values (channels, height, width) in the orientation of
 *     the stage's network.
 * @param {number} lanes - Number of streams, at least 1.
 * @param {Size3} size - Shape of an image.
 * @param {number[]} [labels] - Index of each image's label, if the model has labels.
 * @returns {Uint8Array<ArrayBuffer>[]} The bytes of each lane.
 * @throws {EngineError} if the network gives logits that are not finite.
 */
export function encodeLanes(stage, images, lanes, size, labels) {
  const streams = Array.from({ length: lanes }, () => new EncodingLane());
  const keep = new Uint8Array(size.height * size.width).fill(1);
  const given = (/** @type {number} */ i) => ({ known: images[i], keep, weighed: keep, label: labels?.[i] });
  code(stage, images.length, streams, size, given, () => {});
  return streams.map((stream) => stream.finish());
}

/**
 * Decode the images of several streams. Reverses `encodeLanes`.
 *
 * @param {Stage} stage - A stage with at least as many slots as streams, which nobody
 *     else uses meanwhile. The images in its slots are replaced.
 * @param {Uint8Array[]} streams - The bytes of each lane. Damaged bytes are not
 *     recognised: they decode to other images.
 * @param {number} count - Number of images in all lanes together.
 * @param {Size3} size - Shape of an image.
 * @param {number[]} [labels] - Index of each image's label, if the model has labels.
 * @returns {Uint8Array<ArrayBufferLike>[]} The values (channels, height, width) of each
 *     image in the orientation of the stage's network.
 * @throws {EngineError} if the network gives logits that are not finite.
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
 * Code `count` images, all lanes side by side: slot i of the stage codes the images of
 * lane i.
 *
 * @param {Stage} stage
 * @param {number} count
 * @param {(EncodingLane | DecodingLane)[]} lanes
 * @param {Size3} size
 * @param {(image: number) => Partial<Drawing>} drawing - Returns the fields of an
 *     image's drawing.
 * @param {(image: number, slot: number) => void} ended - Called with each finished
 *     image and its slot.
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
 * Return a digest that differs if this machine computes with other bits than the one
 * that encoded a file.
 *
 * It covers the code of a fixed image and the state of the network after it, as in
 * model_core/codec/canary.py.
 *
 * @param {Stage} stage - A new stage in which nothing was drawn. It is used up: its
 *     first slot holds the fixed image afterwards.
 * @param {Size3 & {values: number}} image - Shape of an image and its number of values.
 * @param {boolean} hasLabels - True if the model has labels; the fixed image has the
 *     first label then.
 * @returns {Promise<string>} 16 hexadecimal digits.
 */
export async function canary(stage, image, hasLabels) {
  const { channels, height, width, values } = image;
  const pixels = height * width;
  const noise = stage.noiseOf(0n, 0);
  const known = Uint8Array.from(noise, (_, i) => noise[(i % pixels) * channels + Math.floor(i / pixels)] * values);
  const [bytes] = encodeLanes(stage, [known], 1, image, hasLabels ? [0] : undefined);
  return (await sha256(joined([bytes, ...stage.kept(0)]))).slice(0, CANARY_HEX);
}
