/**
 * Marginals of a hole: the distribution of each variable, from weighted draws and
 * predictions.
 *
 * As in model_core/posterior/marginals.py. Few chains that agree do not make a pixel
 * certain. So two estimates are mixed in, with less weight the more chains there are:
 * the networks' predictions along drawn images, and the values of the first particles
 * when they had just passed a pixel.
 */

/** @import {Size3} from "../types" */
/** @import {Component, Weighted} from "./types" */

/** @import {Way} from "./mixture.js" */

import { placesOf } from "../orientation.js";
import { exp, largest, log2 } from "../elementary.js";

/** Images that are predicted along in one pass. */
const BATCH = 8;
/** Weights of the predictions and of the passed values, in chains; docs/internals/posterior.md has the measurement. */
const [PREDICTED, PASSED] = [1.5, 6];
/**
 * In a hole with so few variables the particles explore well, and both weights are multiplied
 * by this factor, since these estimates ignore the given pixels behind.
 */
const [SMALL_HOLE, OF_SMALL_HOLE] = [64, 1 / 8];
/** Part of each distribution that is spread evenly: few draws make probabilities too extreme. */
const FLOOR = 0.002;

/**
 * Averages draws and predictions of the pixels of one hole into marginals.
 *
 * A completion makes one, and one for each chain. `add`, `passBy`, `predicting` and `merge` add
 * to its sums. `result()` returns the mean and the entropy of each variable; at least one
 * prediction must have been added. `ofOutcomes()` is for enumerations. The sums have the shape
 * (V, C, H, W): a share for each value of each variable.
 */
export class Shares {
  /**
   * @param {import("../types").Shape} image - Shape of an image.
   * @param {Uint8Array} known - Upright values (C, H, W).
   * @param {Uint8Array} keep - Mask (H, W) of the given pixels, 1 for a given one.
   * @param {number} temperature - Temperature of predictions.
   */
  constructor(image, known, keep, temperature) {
    this.image = image;
    this.known = known;
    this.keep = keep;
    this.temperature = temperature;
    const size = image.values * known.length;
    this.drawn = new Float64Array(size);
    this.sweeps = new Float64Array(keep.length);
    this.predicted = new Float64Array(size);
    this.predictions = 0;
    this.passed = new Float64Array(size);
    this.passes = new Float64Array(keep.length);
    const missing = keep.filter((isGiven) => !isGiven).length;
    const isSmall = (known.length / keep.length) * missing <= SMALL_HOLE;
    this.ofIgnorant = isSmall ? OF_SMALL_HOLE : 1;
  }

  /**
   * Add the weighted images of a sweep.
   *
   * @param {Weighted} draws
   * @param {Uint8Array} where - Mask of the pixels that the sweep drew.
   * @param {number} [times] - How many sweeps it counts for.
   */
  add(draws, where, times = 1) {
    this.#add(this.drawn, draws, where, times);
    where.forEach((isDrawn, place) => (this.sweeps[place] += times * isDrawn));
  }

  /**
   * Add some of all outcomes of the hole, with their probabilities, for `ofOutcomes`.
   *
   * @param {Weighted} draws
   * @param {Uint8Array} where - Mask of the hole.
   */
  addOutcomes(draws, where) {
    this.#add(this.drawn, draws, where, 1);
  }

  /**
   * Add first particles that have just drawn some pixels and have not seen the given
   * pixels behind.
   *
   * @param {Weighted} draws
   * @param {Uint8Array} where - Mask of these pixels.
   */
  passBy(draws, where) {
    this.#add(this.passed, draws, where, 1);
    where.forEach((isDrawn, place) => (this.passes[place] += isDrawn));
  }

  /**
   * Add weighted images to sums.
   *
   * @param {Float64Array} shares
   * @param {Weighted} draws
   * @param {Uint8Array} where
   * @param {number} times
   */
  #add(shares, { images, weights }, where, times) {
    const size = this.known.length;
    const sums = new Float64Array(this.image.values);
    for (let at = 0; at < size; at++) {
      if (!where[at % where.length]) continue;
      sums.fill(0);
      images.forEach((image, i) => (sums[image[at]] += weights[i]));
      for (let value = 0; value < sums.length; value++) shares[value * size + at] += times * sums[value];
    }
  }

  /**
   * Add the sums of one chain. All its sweeps count as one, since they depend on each
   * other.
   *
   * @param {Shares} other
   */
  merge(other) {
    const pixels = this.keep.length;
    for (let i = 0; i < this.drawn.length; i++) {
      this.drawn[i] += other.drawn[i] / Math.max(other.sweeps[i % pixels], 1);
      this.predicted[i] += other.predicted[i];
      this.passed[i] += other.passed[i];
    }
    for (let place = 0; place < pixels; place++) {
      this.sweeps[place] += Number(other.sweeps[place] > 0);
      this.passes[place] += other.passes[place];
    }
    this.predictions += other.predictions;
  }

  /**
   * Add the distributions that a component predicts along images, in steps.
   *
   * @param {Way} way
   * @param {Component} component
   * @param {Uint8Array[]} images
   */
  *predicting(way, { label }, images) {
    const upright = placesOf(this.image.height, this.image.width, way.orientation);
    for (let first = 0; first < images.length; first += BATCH) {
      const batch = images.slice(first, first + BATCH);
      const sums = new Float64Array(this.predicted.length);
      for (let i = 0; i < batch.length; i += way.most) {
        yield* this.#predicted(way, label, batch.slice(i, i + way.most), sums);
      }
      for (let i = 0; i < sums.length; i++) {
        const place = i % upright.length;
        this.predicted[i - place + upright[place]] += sums[i];
      }
      this.predictions += batch.length;
    }
  }

  /**
   * Add predictions along images to sums.
   *
   * @param {Way} way
   * @param {number | undefined} label
   * @param {Uint8Array[]} images
   * @param {Float64Array} sums - In the way's orientation.
   */
  *#predicted(way, label, images, sums) {
    const { width } = this.image;
    const [size, pixels] = [this.known.length, this.keep.length];
    const keep = new Uint8Array(pixels).fill(1);
    const particles = images.map((each) => ({ noise: 0n, known: way.turned(each), keep, label }));
    for (const [place, , colour, logits] of way.particles().predicted(particles)) {
      const top = largest(logits);
      const weights = Array.from(logits, (each) => exp((each - top) / this.temperature));
      const sum = weights.reduce((total, each) => total + each, 0);
      weights.forEach((each, value) => (sums[value * size + colour * pixels + place] += each / sum));
      if (place % width === 0) yield;
    }
  }

  /**
   * Return the marginals of everything added so far.
   *
   * @returns `mean` of each variable's value, or the likeliest value if values are
   *     categories; `entropyBits` of its distribution, 0 for a given pixel.
   */
  result() {
    return this.#marginals((at) => this.#sharesAt(at));
  }

  /** Return the exact marginals, once `addOutcomes` got all outcomes, and nothing else was added. */
  ofOutcomes() {
    const { values } = this.image;
    return this.#marginals((at) => Array.from({ length: values }, (_, v) => this.drawn[v * this.known.length + at]));
  }

  /**
   * Return mean and entropy of each variable.
   *
   * @param {(at: number) => number[]} sharesAt - Returns the probability of each value
   *     of a variable.
   */
  #marginals(sharesAt) {
    const [size, pixels] = [this.known.length, this.keep.length];
    const mean = Float64Array.from(this.known);
    const entropyBits = new Float64Array(size);
    for (let at = 0; at < size; at++) {
      if (this.keep[at % pixels]) continue;
      const shares = sharesAt(at);
      mean[at] = this.image.categories
        ? shares.indexOf(largest(shares))
        : shares.reduce((sum, share, value) => sum + value * share, 0);
      entropyBits[at] = Math.abs(shares.reduce((sum, share) => sum + share * log2(share > 0 ? share : 1), 0));
    }
    return { mean, entropyBits };
  }

  /**
   * Return the estimated probability of each value of a variable.
   *
   * @param {number} at
   */
  #sharesAt(at) {
    const place = at % this.keep.length;
    const [sweeps, passes] = [this.sweeps[place], this.passes[place]];
    const { values } = this.image;
    const ofPredicted = PREDICTED * this.ofIgnorant;
    const ofPassed = PASSED * this.ofIgnorant;
    const most = sweeps + ofPredicted + ofPassed * Number(passes > 0);
    return Array.from({ length: values }, (_, value) => {
      const i = value * this.known.length + at;
      const [predicted, passed] = [this.predicted[i] / this.predictions, this.passed[i] / Math.max(passes, 1)];
      const share = (this.drawn[i] + ofPredicted * predicted + ofPassed * passed) / most;
      return (1 - FLOOR) * share + FLOOR / values;
    });
  }
}
