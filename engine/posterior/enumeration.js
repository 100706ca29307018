/** Completions of a small hole, every filling of which is scored: model_core/posterior/enumeration.py. */

/** @import {Target} from "./completion.js" */

/** @import {Way} from "./mixture.js" */

import { argmax, chosen, logSum, shares } from "../elementary.js";
import { firstHole, inverted } from "./plan.js";
import { receiptWith } from "./receipt.js";

const FEW_SCORES = 256;
const CHOICE = 0;

/**
 * Return true if all fillings of the hole can be scored by each component.
 *
 * @param {Target} target
 */
export function hasFewFillings({ known, keep, image, mixture }) {
  const missing = (known.length / keep.length) * inverted(keep).reduce((sum, each) => sum + each, 0);
  const components = mixture.ways.length * mixture.labels;
  return image.values ** missing * components <= FEW_SCORES;
}

/** The images of a completion of a hole with few fillings, one after the other. */
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
   * Draw image i: after each step how much of it is done, 0 to 1; returns it.
   *
   * @param {number} i
   * @returns {Generator<number, Uint8Array>}
   */
  *steps(i) {
    if (!this.#whole.length) yield* this.#scored();
    const { mixture } = this.target;
    const [uniform] = mixture.ways[0].choices.numbers(this.target.given(i), CHOICE, 1);
    const drawn = chosen(this.#whole, uniform);
    this.#drawn.push(drawn);
    return this.fillings[drawn].slice();
  }

  /** Score all fillings by each member, a few in a step. */
  *#scored() {
    const { mixture } = this.target;
    /** @type {number[][]} */
    const found = [];
    for (const way of mixture.ways) {
      const before = way.logPBefore(this.target.given(0));
      /** @type {number[][]} */
      const rows = before.map(() => []);
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
   * Return ln p of the pixels of images from the hole's first one on in a member's order, given each label: (K, N).
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

  /** Of all images that were drawn, at least one. */
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

  marginals() {
    const told = this.target.noShares();
    told.add({ images: this.fillings, weights: shares(this.#whole) }, inverted(this.target.keep));
    return told.drawnAlone();
  }
}

/**
 * Return every image that agrees with the given pixels; the last variable of the hole changes first.
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
