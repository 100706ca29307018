/** One network drawing images side by side, each in a slot: what sampling/compiled/stage.py does for the same loop. */

/** @import {Coder, Description, Drawing, Program} from "./types" */

import { EngineError } from "./files.js";
import { Instance } from "./program.js";
import { Table } from "./table.js";

const WORD = 8;
/** The stage word of the choice of a member (sampling/noise.py). */
const MEMBER_STAGE = 2n;

export class Stage {
  #instance;
  #table;
  #image;

  /**
   * @param {Program} program
   * @param {Description} description
   * @param {Uint8Array} weights - of one member
   * @param {number} images - how many slots there are
   */
  constructor(program, description, weights, images) {
    this.#instance = new Instance(program);
    this.#table = new Table(this.#instance.memory, this.#instance.free, description.table, weights, images);
    this.#image = description.image;
    this.#begin();
  }

  #begin() {
    const { height, width } = this.#image;
    const table = this.#table;
    const done = table.integers("front.done");
    for (let at = height; at < done.length; at += height + 1) done[at] = BigInt(width);
    const keep = table.bytes("state.keep");
    keep.fill(1, keep.length - height * width); // the scratch slot asks for no logits
    table.floats("state.temperature").fill(1);
    for (let slot = 0; slot < table.shape("front.stop")[0]; slot++) {
      table.integers("front.stop").set([BigInt(height), 0n], 2 * slot);
    }
  }

  /**
   * Begin an image in a slot that has none.
   *
   * @param {number} slot
   * @param {Drawing} drawing
   */
  open(slot, drawing) {
    const { channels, height, width } = this.#image;
    const table = this.#table;
    table.integers("front.first_row")[slot] = 0n;
    table.integers("front.done").fill(0n, slot * (height + 1), slot * (height + 1) + height);
    table.integers("state.summed").fill(0n, slot * height, (slot + 1) * height);
    table.floats("state.temperature")[slot] = drawing.temperature;
    table.floats("state.log_p").fill(0, slot * height, (slot + 1) * height);
    const noise = table.addressOf("state.noise") + slot * height * width * channels * WORD;
    if (!drawing.coder) this.#noise(drawing, 0n, noise, [height, width, channels]);
    this.#give(slot, drawing);
    this.#code(slot, drawing.coder);
    for (const name of table.kept) {
      const cells = Math.floor(table.shape(name)[1] / table.shape("front.first_row")[0]);
      table.begin(name, slot * cells, (slot + 1) * cells);
    }
  }

  /**
   * @param {number} slot
   * @param {Drawing} drawing
   */
  #give(slot, { known, keep, weighed }) {
    const { channels, height, width } = this.#image;
    const [pixels, size] = [height * width, channels * height * width];
    const table = this.#table;
    const given = table.bytes("state.keep").subarray(slot * pixels, (slot + 1) * pixels);
    given.set(keep ?? new Uint8Array(pixels));
    table.bytes("state.weighed").fill(weighed ? 1 : 0, slot * pixels, (slot + 1) * pixels);
    const values = table.integers("state.images").subarray(slot * size, (slot + 1) * size);
    if (known) known.forEach((value, i) => (values[i] = BigInt(given[i % pixels] ? value : 0)));
  }

  /**
   * @param {number} slot
   * @param {Coder} [coder]
   */
  #code(slot, coder) {
    this.#table.bytes("state.coded")[slot] = coder ? 1 : 0;
    if (!coder) return;
    this.#table.words("state.coders").set(coder.registers, slot * coder.registers.length);
    this.#table.bytes("state.codes").set(coder.code, slot * this.#table.shape("state.codes")[1]);
  }

  /**
   * The range coder of an image that was coded; `code` is what was put out, up to the place that it says.
   *
   * @param {number} slot
   * @returns {Coder}
   */
  coder(slot) {
    const [, registers] = this.#table.shape("state.coders");
    const [, most] = this.#table.shape("state.codes");
    return {
      registers: this.#table.words("state.coders").slice(slot * registers, (slot + 1) * registers),
      code: this.#table.bytes("state.codes").slice(slot * most, (slot + 1) * most),
    };
  }

  /**
   * What the network keeps of an image for the pixels to come: the bytes of each array.
   *
   * @param {number} slot
   */
  kept(slot) {
    const table = this.#table;
    return table.kept.map((name) => {
      const [layers, cells, width] = table.shape(name);
      const own = Math.floor(cells / table.shape("front.first_row")[0]) * width;
      const found = new Float32Array(layers * own);
      for (let layer = 0; layer < layers; layer++) {
        const first = layer * cells * width + slot * own;
        found.set(table.floats(name).subarray(first, first + own), layer * own);
      }
      return new Uint8Array(found.buffer);
    });
  }

  /**
   * The noise (H, W, C) of an image of a seed; a stage that draws nothing yet is asked.
   *
   * @param {bigint} seed
   * @param {number} sample
   */
  noiseOf(seed, sample) {
    const { channels, height, width } = this.#image;
    this.#noise({ seed, sample }, 0n, this.#table.addressOf("state.noise"), [height, width, channels]);
    return this.#table.floats("state.noise").slice(0, height * width * channels);
  }

  /**
   * Numbers in [0, 1) of a seed and an image, at an address.
   *
   * @param {{seed: bigint, sample: number}} of
   * @param {bigint} stage - which of the image's numbers
   * @param {number} address
   * @param {number[]} shape - (H, W, C)
   */
  #noise(of, stage, address, shape) {
    const words = [of.seed, BigInt(of.sample), stage, BigInt(address), ...shape.map(BigInt)];
    new BigUint64Array(this.#instance.memory.buffer, this.#table.spare, words.length).set(words);
    this.#instance.uniform(this.#table.spare);
  }

  /**
   * Which of so many members draws an image: each equally often.
   *
   * @param {bigint} seed
   * @param {number} sample
   * @param {number} members
   */
  chosenMember(seed, sample, members) {
    const at = this.#table.spare + 8 * WORD;
    this.#noise({ seed, sample }, MEMBER_STAGE, at, [1, 1, 1]);
    return Math.floor(new Float64Array(this.#instance.memory.buffer, at, 1)[0] * members);
  }

  /**
   * Draw in these slots until at least one row is complete; returns slot and row of those that are.
   *
   * @param {number[]} slots
   * @returns {[number, number][]}
   */
  step(slots) {
    const table = this.#table;
    table.integers("slots").set(slots.map(BigInt));
    table.shorten("slots", slots.length);
    const rows = this.#instance.draw(table.address);
    if (rows === -1) throw new EngineError("the network gives logits that are not finite");
    if (rows < 1) throw new EngineError("the drawing loop stopped");
    const finished = table.integers("front.finished");
    return Array.from({ length: rows }, (_, i) => [Number(finished[2 * i]), Number(finished[2 * i + 1])]);
  }

  /**
   * The values of a row, colour after colour, or of all rows.
   *
   * @param {number} slot
   * @param {number} [y]
   */
  values(slot, y) {
    const { channels, height, width } = this.#image;
    const size = channels * height * width;
    const image = Uint8Array.from(
      this.#table.integers("state.images").subarray(slot * size, (slot + 1) * size),
      Number,
    );
    if (y === undefined) return image;
    return Uint8Array.from(
      { length: channels * width },
      (_, i) => image[Math.floor(i / width) * height * width + y * width + (i % width)],
    );
  }

  /**
   * ln p of all that was weighed in a slot.
   *
   * @param {number} slot
   */
  logP(slot) {
    const { height } = this.#image;
    const rows = this.#table.floats("state.log_p").subarray(slot * height, (slot + 1) * height);
    return Array.from(rows).reduce((sum, row) => sum + row, 0);
  }
}
