/**
 * Weights and resampling of particles, as in model_core/posterior/island.py. Knows no
 * image.
 */

import { EngineError } from "../files.js";
import { chosenBy, exactSum, log, logCount, logMean, shares } from "../elementary.js";

/**
 * Weights of the N particles of one sweep, and their resampling.
 *
 * A `Sweep` makes one and moves its particles as the results say. If one particle is
 * retained, it is the first: the image of the last sweep, which is never dropped.
 * `weigh`, `resample`, `merge` and `narrow` change the weights; the last two also
 * reduce `size`. `logWeights` are not normalised; `weights` add up to 1; `evidence()`
 * is ln of the estimate of p(given) so far. `weigh` raises EngineError if every weight
 * is zero.
 */
export class Island {
  #began;
  /** @type {[number[], number[]] | undefined} */
  #shares;

  /**
   * @param {number} size - Number of particles.
   * @param {boolean} isRetained - True if the first particle must never be dropped.
   */
  constructor(size, isRetained) {
    this.size = this.#began = this.leastEss = size;
    this.isRetained = isRetained;
    this.logWeights = new Array(size).fill(0);
    this.ancestors = Array.from({ length: size }, (_, i) => i);
    this.logEvidence = 0;
  }

  /**
   * Multiply the weights by probabilities.
   *
   * @param {number[]} logP - ln of the probability of the given pixels that each
   *     particle passed.
   * @throws {EngineError} if every particle has a weight of zero.
   */
  weigh(logP) {
    this.logWeights = this.logWeights.map((each, i) => each + logP[i]);
    if (!this.logWeights.some(Number.isFinite)) {
      throw new EngineError("the model finds the given pixels impossible: every particle has a weight of zero");
    }
    this.leastEss = Math.min(this.leastEss, (this.ess * this.#began) / this.size);
  }

  /** Return the weights, scaled to a sum of 1. */
  get weights() {
    if (this.#shares?.[0] !== this.logWeights) this.#shares = [this.logWeights, shares(this.logWeights)];
    return this.#shares[1];
  }

  /** Return the effective sample size, from 1 to the number of particles. */
  get ess() {
    return 1 / exactSum(this.weights.map((each) => each * each));
  }

  /** Return true if fewer than half of the particles count. */
  get isPoor() {
    return this.ess < this.size / 2;
  }

  /**
   * Draw the particles anew by their weights, which become equal; return the parent of
   * each.
   *
   * @param {Float64Array} uniforms - One number in [0, 1) for each particle.
   */
  resample(uniforms) {
    this.logEvidence = this.evidence();
    const counts = this.isRetained ? this.#besideRetained(uniforms.subarray(1)) : this.#systematic(uniforms, this.size);
    const parents = inPlace(counts);
    this.logWeights = new Array(this.size).fill(0);
    this.ancestors = parents.map((parent) => this.ancestors[parent]);
    return parents;
  }

  /**
   * Replace particles that are the same from now on by one with their total weight.
   *
   * @param {number[]} groups - For each particle, the index of the first one that it
   *     equals.
   * @returns Indices of the particles that remain.
   */
  merge(groups) {
    const left = [...new Set(groups)].sort((a, b) => a - b);
    const together = left.map(() => 0);
    this.weights.forEach((weight, i) => (together[left.indexOf(groups[i])] += weight));
    const top = logMean(this.logWeights) + logCount(this.logWeights);
    const part = left.length / this.size;
    this.logWeights = together
      .map((weight) => weight * part)
      .map((weight) => (weight > 0 ? log(Math.max(weight, 1e-300)) + top : -Infinity));
    this.#keep(left);
    return left;
  }

  /**
   * Continue with so many draws by weight; equal draws are one particle.
   *
   * @param {Float64Array} uniforms - At least `draws` numbers in [0, 1).
   * @param {number} draws
   * @returns Indices of the particles that remain.
   */
  narrow(uniforms, draws) {
    this.logEvidence = this.evidence();
    const counts = this.isRetained
      ? this.#besideRetained(uniforms.subarray(1, draws))
      : this.#systematic(uniforms, draws);
    const left = counts.flatMap((count, i) => (count ? [i] : []));
    this.#keep(left);
    const part = this.size / draws;
    this.logWeights = left.map((i) => log(counts[i] * part));
    return left;
  }

  /**
   * Drop all particles but these.
   *
   * @param {number[]} left
   */
  #keep(left) {
    this.ancestors = left.map((i) => this.ancestors[i]);
    this.size = left.length;
  }

  /** Return ln of the estimate of p(given pixels so far). */
  evidence() {
    return this.logEvidence + logMean(this.logWeights);
  }

  /**
   * Return the index of a particle, chosen by weight with a uniform number in [0, 1).
   *
   * @param {number} uniform
   */
  drawn(uniform) {
    return chosenBy(this.weights, uniform);
  }

  /**
   * Return how often each particle is drawn by evenly spaced numbers from one uniform
   * number.
   *
   * @param {Float64Array} uniforms
   * @param {number} draws
   */
  #systematic(uniforms, draws) {
    return this.#counts(Array.from({ length: draws }, (_, i) => (uniforms[0] + i) / draws));
  }

  /**
   * Return how often each particle is drawn if the retained one is drawn once more.
   *
   * @param {Float64Array} uniforms
   */
  #besideRetained(uniforms) {
    const counts = this.#counts(Array.from(uniforms));
    counts[0] += 1;
    return counts;
  }

  /**
   * Return how often each particle is drawn.
   *
   * @param {number[]} uniforms
   */
  #counts(uniforms) {
    const counts = new Array(this.size).fill(0);
    for (const each of uniforms) counts[this.drawn(each)] += 1;
    return counts;
  }
}

/**
 * Return the parent of each particle, so that a particle that lives on keeps its place.
 *
 * @param {number[]} counts - How often each particle is drawn.
 */
function inPlace(counts) {
  const further = counts.flatMap((count, i) => new Array(Math.max(count - 1, 0)).fill(i));
  return counts.map((count, i) => (count ? i : further.shift()));
}
