/**
 * Complete a small hole exactly, by scoring every filling, as in
 * model_core/posterior/enumeration.py.
 */

/** @import {Description} from "../types" */
/** @import {Target} from "./completion.js" */
/** @import {Way} from "./mixture.js" */

import { argmax, chosen, logSum, shares } from "../elementary.js";
import { firstHole, inverted } from "./plan.js";
import { receiptWith } from "./receipt.js";

/** Bounds of `mostScores`. */
export const FEW_SCORES = 256;
const MOST_SCORES = 65536;
/** What the scores of one hole may take. */
const OPERATIONS = 1e11;
/** Number of the sweep whose noise chooses a filling. */
const CHOICE = 0;
/** Fillings that are in memory as images at the same time. */
const PART = 256;

/**
 * Return how many scores (fillings x members x labels) OPERATIONS allow.
 *
 * @param {Description} description - Without `parameters` if an earlier version exported it.
 */
export function mostScores({ parameters, members, image }) {
  if (!parameters) return FEW_SCORES;
  const scores = Math.floor((OPERATIONS * members.length) / (2 * parameters * image.height * image.width));
  return Math.max(FEW_SCORES, Math.min(MOST_SCORES, scores));
}

/**
 * Return the number of fillings of a hole, and of the scores that enumerate it.
 *
 * @param {Target} target - The distribution to draw from.
 */
export function countsOf({ known, keep, image, mixture }) {
  const missing = (known.length / keep.length) * inverted(keep).reduce((sum, each) => sum + each, 0);
  const count = image.values ** missing;
  return { count, scores: count * mixture.ways.length * mixture.labels };
}

/**
 * Draws the images of one completion exactly, from the scores of all fillings of its
 * hole.
 *
 * `complete` makes one if `countsOf` says that scores are few and a single member cannot
 * draw the hole exactly by itself. `steps(i)` draws image i; the first image takes the time of
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
  #count;

  /** @param {Target} target */
  constructor(target) {
    this.target = target;
    this.#count = countsOf(target).count;
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
    return fillings(this.target, drawn, drawn + 1)[0];
  }

  /** Score all fillings by each member, a few in each step. */
  *#scoreAll() {
    const { mixture } = this.target;
    const count = this.#count;
    /** @type {number[][]} */
    const found = [];
    for (const way of mixture.ways) {
      const before = way.logPBefore(this.target.given(0));
      /** @type {number[][]} */
      const rows = before.map(() => []);
      // Each image takes a slot for each label.
      const together = Math.max(1, Math.floor(way.most / before.length));
      for (let first = 0; first < count; first += together) {
        const last = Math.min(count, first + together);
        const behind = this.#behind(way, fillings(this.target, first, last));
        for (const [k, row] of behind.entries()) rows[k].push(...row.map((each) => each + before[k]));
        const done = last / count;
        yield (found.length / before.length + done) / mixture.ways.length;
      }
      found.push(...rows);
    }
    this.#logP = found;
    for (let first = 0; first < count; first += PART) {
      this.#whole.push(...mixture.whole(found.map((row) => row.slice(first, first + PART))));
      yield 1;
    }
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
    const weights = shares(this.#whole);
    for (let first = 0; first < this.#count; first += PART) {
      const last = Math.min(this.#count, first + PART);
      const part = { images: fillings(this.target, first, last), weights: weights.slice(first, last) };
      marginals.addOutcomes(part, inverted(this.target.keep));
    }
    return marginals.ofOutcomes();
  }
}

/**
 * Return the images with the numbers first to last - 1 of all that agree with the given
 * pixels; the last variable of the hole changes first.
 *
 * @param {Target} target
 * @param {number} first
 * @param {number} last
 */
function fillings({ known, keep, image }, first, last) {
  const missing = [...known.keys()].filter((at) => !keep[at % keep.length]).reverse();
  return Array.from({ length: last - first }, (_, i) => {
    const filled = known.slice();
    let rest = first + i;
    for (const at of missing) {
      filled[at] = rest % image.values;
      rest = Math.floor(rest / image.values);
    }
    return filled;
  });
}
