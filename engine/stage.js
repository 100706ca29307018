/**
 * One network that draws several images side by side, each in a slot.
 *
 * Does what model_core/sampling/compiled/stage.py does with the same loop. A slot has a
 * place of its own in every array of the loop's memory.
 */

/** @import {Description, Drawing, Program} from "./types" */

import { exactSum } from "./elementary.js";
import { EngineError } from "./files.js";
import { fillNoise, PIXELS } from "./noise.js";
import { Instance } from "./program.js";
import { Table } from "./table.js";

/** Bytes of a float64. */
const WORD = 8;

/**
 * A network with slots for images, in a WebAssembly memory of its own.
 *
 * `Model` makes stages. `open(slot, drawing)` starts an image in a slot and replaces
 * the one before; `step(slots)` draws in these slots until at least one row is finished
 * and returns [slot, row] of each; `values(slot)` and `logP(slot)` read the result;
 * `logPOf` scores an image under several labels. Every method changes only this stage.
 * The constructor raises EngineError if there is too little memory; drawing raises it
 * if a logit is not finite.
 */
export class Stage {
  /**
   * @param {Program} program
   * @param {Description} description
   * @param {Uint8Array} weights - Weights of one member.
   * @param {number} images - Number of slots.
   * @throws {EngineError} if there is too little memory, or if the description does not
   *     fit.
   */
  constructor(program, description, weights, images) {
    this.instance = new Instance(program.module);
    this.table = new Table(this.instance, description.table, weights, images);
    this.image = description.image;
    this.#begin();
  }

  /**
   * Set up all slots as empty: they are held behind the last row, so that `step` skips
   * them.
   */
  #begin() {
    const { height, width } = this.image;
    const table = this.table;
    const done = table.integers("front.done");
    // Each slot has one entry more than rows, above its first row, which counts as
    // drawn.
    for (let at = height; at < done.length; at += height + 1) done[at] = BigInt(width);
    const keep = table.bytes("state.keep");
    // The scratch slot, which stands behind the others, has only given pixels: nothing is
    // drawn in it, so no logits are computed for it.
    keep.fill(1, keep.length - height * width);
    table.floats("state.temperature").fill(1);
    for (let slot = 0; slot < table.shape("front.stop")[0]; slot++) this.hold(slot, height);
  }

  /**
   * Stop drawing a slot's image behind so many rows, and so many columns of the next
   * row.
   *
   * @param {number} slot
   * @param {number} rows
   * @param {number} [columns]
   */
  hold(slot, rows, columns = 0) {
    this.table.integers("front.stop").set([BigInt(rows), BigInt(columns)], 2 * slot);
  }

  /**
   * Start an image in a slot.
   *
   * @param {number} slot
   * @param {Drawing} drawing
   */
  open(slot, drawing) {
    this.takeUp(slot, drawing, 0);
    this.#condition(slot, drawing.label);
    const { table } = this;
    for (const name of table.kept) {
      const cells = Math.floor(table.shape(name)[1] / table.shape("front.first_row")[0]);
      table.begin(name, slot * cells, (slot + 1) * cells);
    }
  }

  /**
   * Start an image at a row, as if the rows above were drawn. The caller supplies the
   * network's state after them.
   *
   * @param {number} slot
   * @param {Drawing} drawing
   * @param {number} row
   */
  takeUp(slot, drawing, row) {
    const { table } = this;
    const { channels, height, width } = this.image;
    const first = slot * (height + 1);
    table.integers("front.first_row")[slot] = BigInt(row);
    this.hold(slot, height);
    table.integers("front.done").fill(BigInt(width), first, first + row);
    table.integers("front.done").fill(0n, first + row, first + height);
    table.integers("state.summed").fill(0n, slot * height, (slot + 1) * height);
    table.floats("state.temperature")[slot] = drawing.temperature;
    table.floats("state.log_p").fill(0, slot * height, (slot + 1) * height);
    const noise = table.addressOf("state.noise") + slot * height * width * channels * WORD;
    this.#noise(drawing, noise);
    this.#give(slot, drawing);
  }

  /**
   * Write the given pixels, the masks and the values of an image into the memory.
   *
   * @param {number} slot
   * @param {Drawing} drawing
   */
  #give(slot, { known, keep, weighed }) {
    const { channels, height, width } = this.image;
    const [pixels, size] = [height * width, channels * height * width];
    const table = this.table;
    const given = table.bytes("state.keep").subarray(slot * pixels, (slot + 1) * pixels);
    given.set(keep ?? new Uint8Array(pixels));
    table.bytes("state.weighed").set(weighed ?? new Uint8Array(pixels), slot * pixels);
    const values = table.integers("state.images").subarray(slot * size, (slot + 1) * size);
    if (known) known.forEach((value, i) => (values[i] = BigInt(given[i % pixels] ? value : 0)));
  }

  /**
   * Write an image's label into the map of labels, at each pixel.
   *
   * @param {number} slot
   * @param {number} [label]
   */
  #condition(slot, label) {
    if (label === undefined) return;
    const { height, width } = this.image;
    const [, labels] = this.table.shape("state.conditions");
    const size = height * width * labels;
    const map = this.table.floats("state.conditions").subarray(slot * size, (slot + 1) * size);
    map.fill(0);
    for (let at = label; at < size; at += labels) map[at] = 1;
  }

  /**
   * Write the noise of an image to an address.
   *
   * @param {{seed: bigint, sample: number, noise?: bigint}} of
   * @param {number} address
   */
  #noise(of, address) {
    const { channels, height, width } = this.image;
    fillNoise(this.instance, this.table.spare, of, of.noise ?? PIXELS, address, [height, width, channels]);
  }

  /**
   * Return ln p of the given pixels of an image under each of some labels. Uses one
   * slot for each label.
   *
   * @param {{known: Uint8Array, keep: Uint8Array, temperature?: number}} given - Values
   *     (C, H, W) and mask (H, W) of the given pixels, in the network's orientation.
   * @param {(number | undefined)[]} labels - Indices of labels, or [undefined].
   * @param {number} rows - Number of rows to score, from the top.
   */
  logPOf({ known, keep, temperature = 1 }, labels, rows) {
    const slots = labels.map((_, slot) => slot);
    labels.forEach((label, slot) => {
      this.open(slot, { seed: 0n, sample: 0, temperature, known, keep, weighed: keep, label });
      this.hold(slot, rows);
    });
    for (let left = slots.length * rows; left > 0; ) left -= this.step(slots).length;
    return slots.map((slot) => this.logP(slot));
  }

  /**
   * Return ln p of each pixel of a whole image, given the pixels before it, in the
   * order of drawing. Uses slot 0.
   *
   * @param {Uint8Array} known
   * @param {number} [label]
   */
  logPOfEach(known, label) {
    const { height, width } = this.image;
    const all = new Uint8Array(height * width).fill(1);
    this.open(0, { seed: 0n, sample: 0, temperature: 1, known, keep: all, weighed: all, label });
    const row = this.table.floats("state.log_p");
    return Float64Array.from({ length: height * width }, (_, at) => {
      const [y, x] = [Math.floor(at / width), at % width];
      // Draw one pixel: hold the image behind it, and see by how much ln p of its row
      // changes.
      const before = row[y];
      this.hold(0, x + 1 < width ? y : y + 1, x + 1 < width ? x + 1 : 0);
      this.draw([0]);
      return row[y] - before;
    });
  }

  /**
   * Draw in these slots until at least one row is finished; return [slot, row] of each
   * finished row.
   *
   * @param {number[]} slots
   * @returns {[number, number][]}
   * @throws {EngineError} if no image can continue, or if a logit is not finite.
   */
  step(slots) {
    const rows = this.draw(slots);
    if (!rows) throw new EngineError("the drawing loop stopped");
    const finished = this.table.integers("front.finished");
    return Array.from({ length: rows }, (_, i) => [Number(finished[2 * i]), Number(finished[2 * i + 1])]);
  }

  /**
   * Draw in these slots until at least one row is finished; return how many are, 0 if
   * no image can continue.
   *
   * @param {number[]} slots
   * @throws {EngineError} if a logit is not finite.
   */
  draw(slots) {
    const { table } = this;
    table.integers("slots").set(slots.map(BigInt));
    table.shorten("slots", slots.length);
    const rows = this.instance.draw(table.address);
    if (rows === -1) throw new EngineError("the network gives logits that are not finite");
    if (rows < 0) throw new EngineError("the drawing loop stopped");
    return rows;
  }

  /**
   * Return the values (C, H, W) of an image, or (C, W) of one of its rows.
   *
   * @param {number} slot
   * @param {number} [y]
   */
  values(slot, y) {
    const { channels, height, width } = this.image;
    const size = channels * height * width;
    const words = this.table.integers("state.images").subarray(slot * size, (slot + 1) * size);
    // Reading the low halves of the 64-bit numbers avoids making a BigInt of each.
    const halves = new Int32Array(words.buffer, words.byteOffset, 2 * size);
    const image = Uint8Array.from({ length: size }, (_, i) => halves[2 * i]);
    if (y === undefined) return image;
    return Uint8Array.from(
      { length: channels * width },
      (_, i) => image[Math.floor(i / width) * height * width + y * width + (i % width)],
    );
  }

  /**
   * Return ln p of all weighed pixels of an image.
   *
   * @param {number} slot
   */
  logP(slot) {
    const { height } = this.image;
    const rows = this.table.floats("state.log_p").subarray(slot * height, (slot + 1) * height);
    return exactSum(rows);
  }
}
