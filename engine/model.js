/** A model that draws here: its members, each in its own orientation. */

/** @import {CompleteOptions, Completion, Description, Drawing, OnRow, Picture, Program, SampleOptions, Verdict} from "./types" */

import { canary, checkValues, decodeLanes } from "./codec.js";
import { unpack } from "./container.js";
import { EngineError } from "./files.js";
import { turn, turnBack } from "./orientation.js";
import { readPng } from "./png.js";
import { cut, recipeOf, toByte } from "./recipe.js";
import { Stage } from "./stage.js";

/** Images that are drawn side by side. */
const SLOTS = 8;
/** `decode` gives no more at once. */
const DECODE_VALUES = 2 ** 26;
/** For so long nothing else runs where the engine does. */
const TURN_MS = 16;
const MAX_SEED = 2n ** 63n - 1n;

/** @typedef {{member: number, index: number, drawing: Drawing}} Order */

export class Model {
  #program;
  #description;
  #weights;

  /**
   * @param {Program} program
   * @param {Description} description
   * @param {Uint8Array[]} weights - of each member
   */
  constructor(program, description, weights) {
    this.#program = program;
    this.#description = description;
    this.#weights = weights;
    this.name = description.name;
    this.channels = description.image.channels;
    this.height = description.image.height;
    this.width = description.image.width;
    this.values = description.image.values;
    this.orientations = description.members.map(({ orientation }) => orientation);
  }

  /**
   * Draw n images of a seed: those that the service draws, whatever n is.
   *
   * @param {SampleOptions} options
   * @returns {Promise<Picture[]>}
   */
  async sample(options) {
    const drawings = checked(options);
    const members = this.orientations.length;
    const chooser = members === 1 ? null : this.#stage(0, 1);
    const orders = drawings.map((drawing, index) => {
      return { member: chooser?.chosenMember(drawing.seed, drawing.sample, members) ?? 0, index, drawing };
    });
    return this.#draw(orders, options);
  }

  /**
   * Draw n images that agree with what is given.
   *
   * @param {CompleteOptions} options
   * @returns {Promise<Completion>}
   */
  async complete(options) {
    const keep = this.#mask(options.keep);
    const known = this.#picture(options.known, keep);
    const behind = this.orientations.map((orientation) => givenBehind(this.#turned(keep, orientation)));
    const member = this.#completing(options.method ?? "posterior", behind);
    const orientation = this.orientations[member];
    const given = { known: this.#turned(known, orientation), keep: this.#turned(keep, orientation) };
    const orders = checked(options).map((drawing, index) => ({ member, index, drawing: { ...drawing, ...given } }));
    const images = await this.#draw(orders, options);
    return { images, exact: this.orientations.length === 1 && behind[member] === 0, member: orientation };
  }

  /**
   * -ln p of a picture, in nats; of a mixture that of all its members together.
   *
   * @param {ArrayLike<number>} values
   */
  async score(values) {
    const pixels = this.height * this.width;
    const keep = new Uint8Array(pixels).fill(1);
    const picture = this.#picture(values, keep);
    const logP = [];
    for (const [member, orientation] of this.orientations.entries()) {
      const stage = this.#stage(member, 1);
      const known = this.#turned(picture, orientation);
      stage.open(0, { seed: 0n, sample: 0, temperature: 1, known, keep, weighed: true });
      for (let rows = 0; rows < this.height; ) rows += stage.step([0]).length;
      logP.push(stage.logP(0));
    }
    const top = Math.max(...logP);
    return -(top + Math.log(logP.reduce((sum, each) => sum + Math.exp(each - top), 0) / logP.length));
  }

  /**
   * The images of a file that `pixelrnn encode` or the service made with this model.
   *
   * @param {Uint8Array} bytes
   * @returns {Promise<Picture[]>}
   */
  async decode(bytes) {
    const { header, stripes } = unpack(bytes);
    const { channels, height, width } = this;
    if (header.sha256 !== this.#description.sha256) {
      throw new EngineError(
        `the file was encoded with the model of sha256 ${header.sha256.slice(0, 12)}..., ` +
          `${this.name} has ${this.#description.sha256.slice(0, 12)}...`,
      );
    }
    const most = Math.floor(DECODE_VALUES / (channels * height * width));
    if (header.images > most) throw new EngineError(`the file holds ${header.images} images: expected at most ${most}`);
    const member = this.orientations.indexOf(header.member);
    if (member < 0)
      throw new EngineError(`the file was coded by the member ${header.member}, which ${this.name} has not`);
    const stage = this.#stage(member, Math.max(...stripes.map(({ lanes }) => lanes.length)));
    if ((await canary(stage, this.#description.image)) !== header.canary) {
      throw new EngineError("the file was encoded by a machine that computes otherwise than this one");
    }
    return stripes.flatMap((stripe) => {
      const images = decodeLanes(stage, stripe.lanes, stripe.images, this);
      const upright = images.map((values) => turnBack(values, height, width, header.member));
      checkValues(upright, stripe.valuesCrc);
      return upright.map((values) => ({ values, width, height, channels }));
    });
  }

  /**
   * Did this model draw a picture, as its PNG says? It draws it again, and every pixel must be the same.
   *
   * @param {Uint8Array<ArrayBuffer>} png
   * @returns {Promise<Verdict>}
   */
  async verify(png) {
    const file = await readPng(png);
    const { digest, seed, temperature, sample, samples } = recipeOf(file.text);
    if (digest !== this.#description.sha256) {
      throw new EngineError(`the picture names the weights ${digest?.slice(0, 12)}..., which ${this.name} has not`);
    }
    const shown = cut(file, samples, this);
    const drawn = await this.sample({ n: samples, first: sample, seed, temperature });
    const changed = drawn.flatMap(({ values }, i) => this.#changed(values, shown[i], sample + i));
    return { verified: !changed.length, seed, samples, changed };
  }

  /**
   * @param {Uint8Array} values
   * @param {ArrayLike<number>} pixels
   * @param {number} sample
   */
  #changed(values, pixels, sample) {
    const size = this.height * this.width;
    const places = Array.from({ length: size }, (_, i) => i).filter((place) => {
      for (let at = place; at < values.length; at += size)
        if (toByte(values[at], this.values) !== pixels[at]) return true;
      return false;
    });
    return places.map((place) => ({ sample, x: place % this.width, y: Math.floor(place / this.width) }));
  }

  /**
   * @param {string} method
   * @param {number[]} behind - how many given pixels lie behind the hole's first, in each member's order
   */
  #completing(method, behind) {
    if (method === "clamp") return 0;
    if (method !== "posterior") throw new EngineError(`unknown method ${method}: expected posterior or clamp`);
    if (behind.length > 1 || behind[0]) {
      const reason = behind.length > 1 ? "the model is a mixture" : "given pixels lie behind the hole";
      throw new EngineError(
        `${reason}: that needs particles, which the service has and this engine has not yet; method clamp does without`,
      );
    }
    return 0;
  }

  /**
   * @param {Order[]} orders
   * @param {SampleOptions} options
   */
  async #draw(orders, { onRow = () => {}, signal }) {
    /** @type {Picture[]} */
    const images = [];
    const { height, width, channels } = this;
    for (const member of this.orientations.keys()) {
      const own = orders.filter((order) => order.member === member);
      for await (const [index, values] of this.#drawn(member, own, onRow, signal)) {
        images[index] = { values, width, height, channels };
      }
    }
    return images;
  }

  /**
   * Images of one member, each as it becomes complete.
   *
   * @param {number} member
   * @param {Order[]} orders
   * @param {OnRow} onRow
   * @param {AbortSignal | undefined} signal
   * @returns {AsyncGenerator<[number, Uint8Array]>}
   */
  async *#drawn(member, orders, onRow, signal) {
    if (!orders.length) return;
    const orientation = this.orientations[member];
    const waiting = [...orders];
    const stage = this.#stage(member, Math.min(SLOTS, orders.length));
    /** @type {Map<number, Order>} */
    const seated = new Map();
    for (let slot = 0; slot < Math.min(SLOTS, orders.length); slot++) this.#seat(stage, slot, seated, waiting);
    let since = performance.now();
    while (seated.size) {
      for (const [slot, y] of stage.step([...seated.keys()])) {
        const { index } = /** @type {Order} */ (seated.get(slot));
        if (orientation === "none") onRow(index, y, stage.values(slot, y));
        if (y < this.height - 1) continue;
        const upright = turnBack(stage.values(slot), this.height, this.width, orientation);
        if (orientation !== "none") this.#tellRows(index, upright, onRow);
        yield [index, upright];
        seated.delete(slot);
        this.#seat(stage, slot, seated, waiting);
      }
      if (performance.now() - since > TURN_MS) {
        await new Promise((resume) => setTimeout(resume));
        since = performance.now();
      }
      signal?.throwIfAborted();
    }
  }

  /**
   * @param {Stage} stage
   * @param {number} slot
   * @param {Map<number, Order>} seated
   * @param {Order[]} waiting
   */
  #seat(stage, slot, seated, waiting) {
    const order = waiting.shift();
    if (!order) return;
    stage.open(slot, order.drawing);
    seated.set(slot, order);
  }

  /**
   * @param {number} index
   * @param {Uint8Array} image
   * @param {OnRow} onRow
   */
  #tellRows(index, image, onRow) {
    const { height, width, channels } = this;
    for (let y = 0; y < height; y++) {
      const row = new Uint8Array(channels * width);
      for (let c = 0; c < channels; c++)
        row.set(image.subarray((c * height + y) * width, (c * height + y + 1) * width), c * width);
      onRow(index, y, row);
    }
  }

  /**
   * @param {number} member
   * @param {number} images
   */
  #stage(member, images) {
    return new Stage(this.#program, this.#description, this.#weights[member], images);
  }

  /**
   * @param {Uint8Array} maps
   * @param {import("./types").Orientation} orientation
   */
  #turned(maps, orientation) {
    return turn(maps, this.height, this.width, orientation);
  }

  /** @param {ArrayLike<number | boolean>} keep */
  #mask(keep) {
    const pixels = this.height * this.width;
    if (keep?.length !== pixels) throw new EngineError(`keep must have ${pixels} pixels, not ${keep?.length}`);
    return Uint8Array.from(keep, (each) => (each ? 1 : 0));
  }

  /**
   * Values of which those that are kept must be some of the model's.
   *
   * @param {ArrayLike<number>} values
   * @param {Uint8Array} keep
   */
  #picture(values, keep) {
    const size = this.channels * keep.length;
    if (values?.length !== size) throw new EngineError(`a picture must have ${size} values, not ${values?.length}`);
    for (let i = 0; i < size; i++) {
      if (keep[i % keep.length] && !(Number.isInteger(values[i]) && values[i] >= 0 && values[i] < this.values)) {
        throw new EngineError(
          `a picture's values must be whole numbers from 0 to ${this.values - 1}, not ${values[i]}`,
        );
      }
    }
    return Uint8Array.from(values);
  }
}

/**
 * How many given pixels lie behind the hole's first, in raster order.
 *
 * @param {Uint8Array} keep
 */
function givenBehind(keep) {
  const first = keep.indexOf(0);
  return first < 0 ? 0 : keep.subarray(first).reduce((sum, each) => sum + each, 0);
}

/**
 * What to draw, or a sentence on what was wrong.
 *
 * @param {SampleOptions} options
 * @returns {Drawing[]}
 */
function checked({ n = 1, seed, temperature = 1, first = 0, label }) {
  if (label !== undefined) throw new EngineError("this engine draws no labels yet");
  if (!Number.isSafeInteger(n) || n < 1) throw new EngineError(`n must be a whole number from 1 on, not ${n}`);
  if (!Number.isSafeInteger(first) || first < 0)
    throw new EngineError(`first must be a whole number from 0 on, not ${first}`);
  if (!(temperature > 0 && temperature < Infinity))
    throw new EngineError(`temperature must be above 0, not ${temperature}`);
  if (typeof seed !== "bigint" && !Number.isSafeInteger(seed)) {
    throw new EngineError(`seed must be a whole number, from 2^53 on a bigint, not ${seed}`);
  }
  const whole = BigInt(seed);
  if (whole < 0n || whole > MAX_SEED) throw new EngineError(`seed must be from 0 to 2^63 - 1, not ${seed}`);
  return Array.from({ length: n }, (_, i) => ({ seed: whole, sample: first + i, temperature }));
}
