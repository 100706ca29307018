/** Resampling of weighted particles: model_core/posterior/island.py. Knows no image. */

import { EngineError } from "../files.js";
import { chosenBy, exactSum, log, logCount, logMean, shares } from "../elementary.js";

/** N particles, of which the first, if one is retained, is the image of the last sweep and always lives on. */
export class Island {
  #began;
  /** @type {[number[], number[]] | undefined} */
  #shares;

  /**
   * @param {number} size
   * @param {boolean} isRetained
   */
  constructor(size, isRetained) {
    this.size = this.#began = this.leastEss = size;
    this.isRetained = isRetained;
    this.logWeights = new Array(size).fill(0);
    this.ancestors = Array.from({ length: size }, (_, i) => i);
    this.logEvidence = 0;
  }

  /** @param {number[]} logP - by which weights are multiplied */
  weigh(logP) {
    this.logWeights = this.logWeights.map((each, i) => each + logP[i]);
    if (!this.logWeights.some(Number.isFinite)) {
      throw new EngineError("the model finds the given pixels impossible: every particle has a weight of zero");
    }
    this.leastEss = Math.min(this.leastEss, (this.ess * this.#began) / this.size);
  }

  /** Adding up to 1. */
  get weights() {
    if (this.#shares?.[0] !== this.logWeights) this.#shares = [this.logWeights, shares(this.logWeights)];
    return this.#shares[1];
  }

  /** The effective sample size. */
  get ess() {
    return 1 / exactSum(this.weights.map((each) => each * each));
  }

  get isPoor() {
    return this.ess < this.size / 2;
  }

  /** @param {Float64Array} uniforms */
  resample(uniforms) {
    this.logEvidence = this.evidence();
    const counts = this.isRetained ? this.#besideRetained(uniforms.subarray(1)) : this.#systematic(uniforms, this.size);
    const parents = inPlace(counts);
    this.logWeights = new Array(this.size).fill(0);
    this.ancestors = parents.map((parent) => this.ancestors[parent]);
    return parents;
  }

  /**
   * Let particles that are the same from now on be one with their weight together; returns which are left.
   *
   * @param {number[]} groups - the first particle that each is the same as
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
   * Go on with so many draws by the weights, of which equal ones are one particle; returns which those are.
   *
   * @param {Float64Array} uniforms
   * @param {number} draws
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

  /** @param {number[]} left */
  #keep(left) {
    this.ancestors = left.map((i) => this.ancestors[i]);
    this.size = left.length;
  }

  /** ln of the estimate of p(given) by now. */
  evidence() {
    return this.logEvidence + logMean(this.logWeights);
  }

  /** @param {number} uniform */
  drawn(uniform) {
    return chosenBy(this.weights, uniform);
  }

  /**
   * @param {Float64Array} uniforms
   * @param {number} draws
   */
  #systematic(uniforms, draws) {
    return this.#counts(Array.from({ length: draws }, (_, i) => (uniforms[0] + i) / draws));
  }

  /** @param {Float64Array} uniforms */
  #besideRetained(uniforms) {
    const counts = this.#counts(Array.from(uniforms));
    counts[0] += 1;
    return counts;
  }

  /** @param {number[]} uniforms */
  #counts(uniforms) {
    const counts = new Array(this.size).fill(0);
    for (const each of uniforms) counts[this.drawn(each)] += 1;
    return counts;
  }
}

/**
 * Parents in an order that leaves those that live on where they are.
 *
 * @param {number[]} counts
 */
function inPlace(counts) {
  const further = counts.flatMap((count, i) => new Array(Math.max(count - 1, 0)).fill(i));
  return counts.map((count, i) => (count ? i : further.shift()));
}
