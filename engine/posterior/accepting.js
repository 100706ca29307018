/**
 * Draw completions of a mixture by rejection, without a chain, as in
 * model_core/posterior/accepting.py.
 *
 * This works if one member, k, comes to the hole after all given pixels: that member
 * draws from p_k(hole | given) exactly. A pool of such draws, weighed by p(image) /
 * p_k(image), shows how well the members and the model explain the given pixels. The
 * posterior of the model is p_k(hole | given) with probability p(k | given). Otherwise
 * draws of k are tried until one is accepted in proportion to the other members' part
 * of its weight (von Neumann, 1951).
 */

/** @import {Given} from "./types" */

/** @import {Choices} from "./noise.js" */
/** @import {Mixture} from "./mixture.js" */

import { argmax, chosen, exactSum, exp, largest, log, logCount, logMean, logSum, shares } from "../elementary.js";
import { mixed, summed } from "./mixture.js";
import { inverted } from "./plan.js";

/**
 * Weights above a bound are treated as the bound: so many times the pool's mean weight, or
 * so many times its largest, whichever is less.
 */
const TOP = [4, 2];
/** Effective number of the pool's draws that must count; if fewer do, member k is unsuitable. */
const ENOUGH = 4;
/** Images that are drawn together: of the pool, and until one is accepted. */
const [SIDE_BY_SIDE, TRIED] = [16, 4];
/** Nats by which another member's estimate may exceed the pool's, since estimates vary. */
const MISSED_NATS = 1;
/** First numbers of the sweeps of the pool, of choices, and of other members; noise depends on them. */
const [POOL, CHOICES, OTHERS] = [2 ** 29, 2 ** 28, 2 ** 27];

/** Exact draws of one member, with their probabilities by every member. */
class Candidates {
  /**
   * @param {Uint8Array[]} images - Upright values (C, H, W) of each draw.
   * @param {number[][]} logP - ln p of each draw by each member: (M, N).
   * @param {number} k - Index of the member that drew the images.
   */
  constructor(images, logP, k) {
    this.images = images;
    this.logP = logP;
    this.logWeights = mixed(logP).map((each, i) => each - logP[k][i]);
    this.logOthers = mixed(logP, k).map((each, i) => each - logP[k][i]);
  }

  /**
   * Return the effective sample size: how many equally weighted draws would be worth as
   * much.
   */
  get ess() {
    return 1 / exactSum(shares(this.logWeights).map((each) => each * each));
  }
}

/**
 * Draws the images of one completion by rejection, without a Markov chain.
 *
 * `IslandsRun` makes one if a member of the mixture comes to the hole after all given
 * pixels. `begin` draws a pool of images once; if `suffices` is true afterwards,
 * `steps(i)` draws image i and appends its nats to `nats`. Results: `logEvidence`, an
 * estimate of ln p(given) by the model; `evidenceSd`, its standard deviation in nats;
 * `ess`, the effective sample size of the pool. They may be read after `begin` only.
 */
export class Accepting {
  /** @type {Candidates | undefined} */
  pool;
  /** @type {number[]} - of each image that was drawn */
  nats = [];
  #isMissed = false;

  /**
   * @param {Mixture} mixture
   * @param {number} k - Index of the member in whose order no given pixel lies behind
   *     the hole.
   * @param {(sample: number) => Given} given - Returns the given pixels and the noise
   *     of an image by its number.
   * @param {number} size - Draws of the pool, and about the most that are tried for one
   *     image.
   * @param {number} together - Images that may be drawn side by side, at most.
   */
  constructor(mixture, k, given, size, together) {
    this.mixture = mixture;
    this.member = k;
    this.given = given;
    this.size = size;
    this.pooled = Math.min(SIDE_BY_SIDE, together);
    this.tried = Math.min(TRIED, together);
    this.hole = inverted(given(0).keep);
  }

  /** Draw the pool. Yield after each step how much is done, 0 to 1. */
  *begin() {
    /** @type {Candidates[]} */
    const parts = [];
    for (let first = 0; first < this.size; first += this.pooled) {
      const count = Math.min(this.pooled, this.size - first);
      for (const step of this.#drawCandidates(this.given(0), POOL + first, count)) {
        if (step instanceof Candidates) parts.push(step);
        else yield (first + count * step) / this.size;
      }
    }
    this.pool = this.#join(parts);
    yield* this.#askOtherMembers();
  }

  /**
   * Estimate p(given) by each other member, with as many particles as the pool has
   * draws.
   *
   * Draws of member k may never reach the fillings that another member prefers. If
   * another member's estimate exceeds the pool's, the pool has missed them and does not
   * suffice.
   */
  *#askOtherMembers() {
    const { ways } = this.mixture;
    for (const [m, way] of ways.entries()) {
      if (m === this.member) continue;
      const sweep = way.sweep(this.given(0), this.size, OTHERS + m, this.hole);
      for (const _ of sweep.steps()) yield 1;
      const part = logSum(way.logPBefore(this.given(0))) + sweep.island.evidence() - logCount(ways);
      if (part > this.logEvidence + MISSED_NATS) this.#isMissed = true;
    }
  }

  /**
   * Return true if enough draws of the pool count, and no other member explains the
   * given pixels better.
   */
  get suffices() {
    return this.ess >= ENOUGH && !this.#isMissed;
  }

  /** Return the effective sample size of the pool. */
  get ess() {
    return this.#found.ess;
  }

  /** Return the pool's estimate of ln p(given) by the model. */
  get logEvidence() {
    const before = logSum(this.mixture.ways[this.member].logPBefore(this.given(0)));
    return before + logMean(this.#found.logWeights);
  }

  /**
   * Return the standard deviation of `logEvidence` in nats, estimated from the weights.
   */
  get evidenceSd() {
    return Math.sqrt(Math.max(0, 1 / this.ess - 1 / this.size));
  }

  /** Return the pool's images and their weights. */
  draws() {
    return { images: this.#found.images, weights: shares(this.#found.logWeights) };
  }

  /**
   * Return so many draws of the pool, each as often as its weight says.
   *
   * @param {number} count
   */
  some(count) {
    const { images, logWeights } = this.#found;
    return Array.from({ length: count }, (_, place) => images[chosen(logWeights, (place + 0.5) / count)]);
  }

  /**
   * Draw image i. Yield after each step about how much is done, 0 to 1; return the
   * image.
   *
   * @param {number} i
   * @returns {Generator<number, Uint8Array>}
   */
  *steps(i) {
    const given = this.given(i);
    const [which, last] = this.#uniforms(given, CHOICES, 2);
    const isOwn = which < this.#share;
    const top = this.#logTop;
    /** @type {Candidates[]} */
    const tried = [];
    // Member k's own share of the posterior needs one draw, which is always accepted.
    // The number of tries for the other share is bounded, so a hole never takes
    // forever; the last line chooses among all tries then.
    const most = isOwn ? 1 : Math.floor(this.size / this.tried) + 1;
    for (let number = 0; number < most; number++) {
      for (const step of this.#drawCandidates(given, number, isOwn ? 1 : this.tried)) {
        if (step instanceof Candidates) tried.push(step);
        else yield 1 - (1 - step / 2) * 0.5 ** tried.length;
      }
      const candidates = tried[tried.length - 1];
      const uniforms = this.#uniforms(given, CHOICES + 1 + number, this.tried);
      const passed = candidates.logOthers.map((each, n) => Number(uniforms[n] < exp(each - top)));
      if (isOwn || passed.includes(1)) return this.#take(candidates, isOwn ? 0 : argmax(passed));
    }
    const every = this.#join(tried);
    return this.#take(every, chosen(every.logOthers, last));
  }

  /**
   * Draw so many images by member k. Yield how much is done, and at last the
   * candidates.
   *
   * @param {Given} given
   * @param {number} number - Number of the sweep; its noise depends on it.
   * @param {number} count
   */
  *#drawCandidates(given, number, count) {
    const { ways } = this.mixture;
    const way = ways[this.member];
    const sweep = way.sweep(given, count, number, this.hole);
    for (const done of sweep.steps()) yield done / (1 + ways.length);
    const images = sweep.images.map((each) => way.upright(each));
    /** @type {number[][]} */
    const logP = [];
    for (const each of ways) {
      logP.push(summed(each.logP(images, given.temperature)));
      yield (1 + logP.length) / (1 + ways.length);
    }
    yield new Candidates(images, logP, this.member);
  }

  /**
   * Return the candidates of several groups as one group.
   *
   * @param {Candidates[]} parts
   */
  #join(parts) {
    const images = parts.flatMap((part) => part.images);
    const logP = this.mixture.ways.map((_, m) => parts.flatMap((part) => part.logP[m]));
    return new Candidates(images, logP, this.member);
  }

  /** Return p(k | given), estimated from the pool. */
  get #share() {
    const { logOthers, logWeights } = this.#found;
    return 1 - exp(logMean(logOthers) - logMean(logWeights));
  }

  /** Return ln of the bound of the other members' part of a weight. */
  get #logTop() {
    const { logOthers } = this.#found;
    const bounds = [logMean(logOthers), largest(logOthers)];
    return Math.min(...bounds.map((each, i) => each + log(TOP[i])));
  }

  /** Return the pool, which `begin` must have drawn. */
  get #found() {
    return /** @type {Candidates} */ (this.pool);
  }

  /**
   * Return numbers in [0, 1) that no sweep uses.
   *
   * @param {Given} given
   * @param {number} number
   * @param {number} count
   */
  #uniforms(given, number, count) {
    return this.mixture.ways[this.member].choices.numbers(given, number, count);
  }

  /**
   * Return image i of the candidates, and note its nats by the whole model.
   *
   * @param {Candidates} candidates
   * @param {number} i
   */
  #take({ images, logP }, i) {
    this.nats.push(-mixed(logP.map((row) => [row[i]]))[0]);
    return images[i];
  }
}
