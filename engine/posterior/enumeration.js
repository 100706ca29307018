/**
 * Complete a small hole exactly, by scoring every filling, as in
 * model_core/posterior/enumeration.py.
 */

/** @import {Target} from "./completion.js" */

/** @import {Way} from "./mixture.js" */

import { argmax, chosen, logSum, shares } from "../elementary.js";
import { firstHole, inverted } from "./plan.js";
import { receiptWith } from "./receipt.js";

/** Scores of a hole, at most: fillings x members x labels. */
const FEW_SCORES = 256;
/** Number of the sweep whose noise chooses a filling. */
const CHOICE = 0;

/**
 * Return true if a hole is so small that all its fillings can be scored by each
 * component.
 *
 * @param {Target} target - The distribution to draw from.
 * @returns {boolean} True if fillings x members x labels are at most 256.
 */
export function hasFewFillings({ known, keep, image, mixture }) {
  const missing = (known.length / keep.length) * inverted(keep).reduce((sum, each) => sum + each, 0);
  const components = mixture.ways.length * mixture.labels;
  return image.values ** missing * components <= FEW_SCORES;
}

/**
 * Draws the images of one completion exactly, from the scores of all fillings of its
 * hole.
 *
 * `complete` makes one if `hasFewFillings` is true and a single member cannot draw the
 * hole exactly by itself. `steps(i)` draws image i; the first image takes the time of
 * scoring all fillings, later ones take none. `receipt()` describes the images drawn so
 * far, at least one. `marginals()` returns the exact mean and entropy of each pixel
 * over all fillings, once they are scored.
 */
export class EnumeratedRun {
  /** @type {number[][]} - ln of each component's prior and of its p of each filling (M * K, N) */
  #logP = [];
  /** @type {number[]} - ln p of each filling under the model */
  #whole = [];
  /** @type {number[]} */
  #drawn = [];

  /** @param {Target} target */
  constructor(target) {
    this.target = target;
    this.fillings = fillings(target);
  }

  /**
   * Draw image i. Yield after each step how much is done, 0 to 1; return the image,
   * upright (C, H, W).
   *
   * @param {number} i
   * @returns {Generator<number, Uint8Array>}
   */
  *steps(i) {
    if (!this.#whole.length) yield* this.#scoreAll();
    const { mixture } = this.target;
    const [uniform] = mixture.ways[0].choices.numbers(this.target.given(i), CHOICE, 1);
    const drawn = chosen(this.#whole, uniform);
    this.#drawn.push(drawn);
    return this.fillings[drawn].slice();
  }

  /** Score all fillings by each member, a few in each step. */
  *#scoreAll() {
    const { mixture } = this.target;
    /** @type {number[][]} */
    const found = [];
    for (const way of mixture.ways) {
      const before = way.logPBefore(this.target.given(0));
      /** @type {number[][]} */
      const rows = before.map(() => []);
      // Each image takes a slot for each label.
      const together = Math.max(1, Math.floor(way.most / before.length));
      for (let first = 0; first < this.fillings.length; first += together) {
        const behind = this.#behind(way, this.fillings.slice(first, first + together));
        for (const [k, row] of behind.entries()) rows[k].push(...row.map((each) => each + before[k]));
        const done = Math.min(1, (first + together) / this.fillings.length);
        yield (found.length / before.length + done) / mixture.ways.length;
      }
      found.push(...rows);
    }
    this.#logP = found;
    this.#whole = mixture.whole(found);
  }

  /**
   * Return ln p of the pixels of images from the hole's first one on in a member's
   * order, given each label: (K, N).
   *
   * @param {Way} way
   * @param {Uint8Array[]} images
   */
  #behind(way, images) {
    const { keep, temperature } = this.target;
    const first = firstHole(way.turned(keep));
    const where = Uint8Array.from(keep, (_, place) => Number(place >= first));
    return way.logP(images, temperature, where);
  }

  /**
   * Return the receipt of the images drawn so far. At least one must have been drawn.
   */
  receipt() {
    const { mixture } = this.target;
    const drawn = this.#drawn;
    const last = drawn[drawn.length - 1];
    const [m, k] = mixture.wayOf(argmax(this.#logP.map((row) => row[last])));
    const facts = {
      exact: true,
      member: mixture.ways[m].orientation,
      quality: /** @type {const} */ ("exact"),
      qualities: drawn.map(() => /** @type {const} */ ("exact")),
      evidence_nats: -logSum(this.#whole),
      nats: drawn.map((each) => -this.#whole[each]),
    };
    return receiptWith(facts, mixture.ways[m].components[k].label);
  }

  /** Return the exact mean and entropy of each variable. */
  marginals() {
    const marginals = this.target.noShares();
    marginals.add({ images: this.fillings, weights: shares(this.#whole) }, inverted(this.target.keep));
    return marginals.drawnAlone();
  }
}

/**
 * Return every image that agrees with the given pixels; the last variable of the hole
 * changes first.
 *
 * @param {Target} target
 */
function fillings({ known, keep, image }) {
  const missing = [...known.keys()].filter((at) => !keep[at % keep.length]);
  return Array.from({ length: image.values ** missing.length }, (_, number) => {
    const filled = known.slice();
    let rest = number;
    for (const at of [...missing].reverse()) {
      filled[at] = rest % image.values;
      rest = Math.floor(rest / image.values);
    }
    return filled;
  });
}
