/**
 * A stage whose images can be held, copied and forked, as particles need it
 * (sampling/compiled/stage.py).
 */

/** @import {Drawing} from "../types" */

import { Stage } from "../stage.js";
import { exactSum } from "../elementary.js";
import { rowAndColumn } from "./plan.js";

/** Arrays that belong to no layer and are copied like the state of layers. */
const CELLS = ["state.scaled", "state.conditions"];

/**
 * A stage whose images stop at any pixel and continue from each other's state.
 *
 * `Particles` uses one. In addition to the methods of `Stage`: `drawUpTo` draws images
 * up to a pixel, `fork` starts an image from the rows that another one has finished,
 * `copy` lets an image continue from where another one is, `weighed` returns ln p of an
 * image's weighed pixels, and `logits` the logits of the pixel that was weighed last.
 * Methods change only this stage; they raise EngineError if a logit is not finite.
 */
export class Slots extends Stage {
  /**
   * Draw these images up to a stop and no further.
   *
   * @param {number[]} slots
   * @param {number} stop - Number of pixels before the stop, row by row.
   */
  drawUpTo(slots, stop) {
    const { width } = this.image;
    const [y, x] = rowAndColumn(stop, width);
    for (const slot of slots) x === width ? this.hold(slot, y + 1) : this.hold(slot, y, x);
    while (this.draw(slots));
  }

  /**
   * Start an image behind its given rows, which the image in another slot has just
   * finished.
   *
   * @param {number} source - Slot of that image.
   * @param {number} target - Slot of the new image.
   * @param {Drawing} drawing
   * @param {number} rows - Number of the given rows.
   */
  fork(source, target, drawing, rows) {
    this.takeUp(target, drawing, rows);
    this.#copyKept(source, target);
  }

  /**
   * Let an image continue from where another one is. Both are held at the same stop;
   * the target keeps its given pixels and its noise.
   *
   * @param {number} source
   * @param {number} target
   * @param {number} stop
   */
  copy(source, target, stop) {
    const { channels, height, width } = this.image;
    const { table } = this;
    table.integers("front.first_row").copyWithin(target, source, source + 1);
    table.integers("front.done").copyWithin(target * (height + 1), source * (height + 1), (source + 1) * (height + 1));
    table.integers("state.summed").fill(0n, target * height, (target + 1) * height);
    for (let map = 0; map < channels; map++) {
      const [from, to] = [source, target].map((slot) => (slot * channels + map) * height * width);
      table.integers("state.images").copyWithin(to, from, from + stop);
    }
    if (stop % width) this.#copyRow(source, target);
    this.#copyKept(source, target);
  }

  /**
   * Copy the state within an unfinished row.
   *
   * @param {number} source
   * @param {number} target
   */
  #copyRow(source, target) {
    const { table, slots } = this;
    for (const name of table.named(({ row }) => row === "cells")) this.#copyCells(name, source, target);
    for (const name of table.named(({ row }) => row === "columns")) {
      const [layers, cells, width] = table.shape(name);
      const map = table.floats(name);
      for (let cell = 0; cell < layers * cells; cell += slots) {
        map.copyWithin((cell + target) * width, (cell + source) * width, (cell + source + 1) * width);
      }
    }
  }

  /**
   * Copy the state that the network keeps for later pixels.
   *
   * @param {number} source
   * @param {number} target
   */
  #copyKept(source, target) {
    for (const name of [...CELLS, ...this.table.kept]) this.#copyCells(name, source, target);
  }

  /**
   * Copy a slot's part of an array.
   *
   * @param {string} name - Name of an array of the shape (cells, width) or (layers,
   *     cells, width).
   * @param {number} source
   * @param {number} target
   */
  #copyCells(name, source, target) {
    const [width, cells, layers = 1] = [...this.table.shape(name)].reverse();
    const map = this.table.floats(name);
    const own = Math.floor(cells / this.slots) * width;
    for (let first = 0; first < layers * cells * width; first += cells * width) {
      map.copyWithin(first + target * own, first + source * own, first + (source + 1) * own);
    }
  }

  /** Return the number of slots, with the scratch slot. */
  get slots() {
    return this.table.shape("front.first_row")[0];
  }

  /**
   * Return ln p of all weighed pixels of an image.
   *
   * @param {number} slot
   */
  weighed(slot) {
    const { height } = this.image;
    return exactSum(this.table.floats("state.log_p").subarray(slot * height, (slot + 1) * height));
  }

  /**
   * Return the logits (V,) of each colour at the pixel that was weighed last.
   *
   * @param {number} i - Index among the slots that were drawn, not the slot itself.
   */
  logits(i) {
    const { channels, values } = this.image;
    const width = this.table.shape("state.logits")[1];
    const logits = this.table.floats("state.logits");
    return Array.from(this.table.integers("shared.outputs").subarray(0, channels), (bound) => {
      const first = i * width + Number(bound);
      return logits.subarray(first, first + values);
    });
  }
}
