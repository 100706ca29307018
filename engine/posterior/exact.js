/**
 * Complete exactly by a mixture whose members all draw the hole last, as in
 * model_core/posterior/exact.py.
 */

/** @import {Target} from "./completion.js" */

import { chosen, logCount, logSum } from "../elementary.js";
import { givenBehind, inverted } from "./plan.js";
import { receiptWith } from "./receipt.js";

/** Number of the sweep whose noise chooses a component. */
const CHOICE = 0;
/** Number of the sweep that draws an image. */
const DRAW = 0;
/** Number of the first sweep of the images behind the marginals. */
const POOL = 1;
/** Images behind the marginals; with fewer, pixels would look certain. */
const POOLED = 8;

/**
 * Return true if no given pixel lies behind the hole's first one in the order of any
 * member.
 *
 * @param {Target} target - The distribution to draw from.
 * @returns {boolean}
 */
export function isDrawnLast({ keep, mixture }) {
  return mixture.ways.every((way) => !givenBehind(way.turned(keep)));
}

/**
 * Draws the images of one completion exactly by a mixture whose members all draw the
 * hole after the given pixels.
 *
 * `complete` makes one for a model with several members if `isDrawnLast` is true and
 * the hole has too many fillings to score all. `steps(i)` draws image i; the first
 * image also draws the images behind the marginals. `receipt()` describes the images
 * drawn so far, at least one; `marginals()` returns the mean and the entropy of each
 * pixel after the first image.
 */
export class ExactRun {
  /** ln of each component's prior and of its p of the given pixels (M * K,). @type {number[]} */
  #logBefore = [];
  /** -ln p of each drawn image. @type {number[]} */
  #nats = [];
  /** The component that drew the last image. */
  #last = 0;
  #shares;

  /** @param {Target} target - The distribution to draw from. */
  constructor(target) {
    this.target = target;
    this.hole = inverted(target.keep);
    this.#shares = target.noShares();
  }

  /**
   * Draw image i. Yield after each step how much is done, 0 to 1; return the image,
   * upright (C, H, W).
   *
   * @param {number} i
   * @returns {Generator<number, Uint8Array>}
   */
  *steps(i) {
    if (!this.#logBefore.length) yield* this.#begin();
    const { mixture, temperature } = this.target;
    const given = this.target.given(i);
    const [uniform] = mixture.ways[0].choices.numbers(given, CHOICE, 1);
    this.#last = chosen(this.#logBefore, uniform);
    const images = this.#drawn(this.#last, i, DRAW);
    yield 0.95;
    const [logP] = mixture.whole(mixture.logP(images, temperature));
    this.#nats.push(-logP);
    return images[0];
  }

  /** Weigh the components, and draw the images behind the marginals. */
  *#begin() {
    const { mixture } = this.target;
    const parts = mixture.ways.length + POOLED;
    /** @type {number[]} */
    const before = [];
    for (const [m, way] of mixture.ways.entries()) {
      before.push(...way.logPBefore(this.target.given(0)));
      yield (m + 1) / parts;
    }
    this.#logBefore = before;
    for (let number = 0; number < POOLED; number++) {
      // Evenly spaced numbers draw each component as often as its weight says.
      const k = chosen(before, (number + 0.5) / POOLED);
      const images = this.#drawn(k, 0, POOL + number);
      const [m, label] = mixture.wayOf(k);
      const way = mixture.ways[m];
      for (const _ of this.#shares.predicting(way, way.components[label], images)) {
        yield (mixture.ways.length + number + 1) / parts;
      }
    }
  }

  /**
   * Return one draw of component k, upright.
   *
   * @param {number} k
   * @param {number} sample
   * @param {number} number - Number of the sweep; its noise depends on it.
   */
  #drawn(k, sample, number) {
    const [m, which] = this.target.mixture.wayOf(k);
    const way = this.target.mixture.ways[m];
    const { label } = way.components[which];
    const labels = label === undefined ? undefined : [label];
    const sweep = way.sweep(this.target.given(sample), 1, number, this.hole, { labels });
    while (!sweep.isFinished) sweep.step();
    return sweep.images.map((image) => way.upright(image));
  }

  /**
   * Return the receipt of the images drawn so far. At least one must have been drawn.
   */
  receipt() {
    const { mixture } = this.target;
    const [m, k] = mixture.wayOf(this.#last);
    const facts = {
      exact: true,
      member: mixture.ways[m].orientation,
      quality: /** @type {const} */ ("exact"),
      qualities: this.#nats.map(() => /** @type {const} */ ("exact")),
      evidence_nats: logCount(mixture.ways) - logSum(this.#logBefore),
      nats: this.#nats,
    };
    return receiptWith(facts, mixture.ways[m].components[k].label);
  }

  /** Return the marginals. An image must have been drawn. */
  marginals() {
    return this.#shares.result();
  }
}
