/** Draws of a mixture by the member that comes to the hole last, by rejection: model_core/posterior/accepting.py. */

/** @import {Given} from "./types" */

/** @import {Choices} from "./noise.js" */
/** @import {Mixture} from "./mixture.js" */

import { argmax, chosen, exactSum, exp, largest, log, logCount, logMean, logSum, shares } from "../elementary.js";
import { mixed, summed } from "./mixture.js";
import { inverted } from "./plan.js";

const TOP = [4, 2];
const ENOUGH = 4;
const [SIDE_BY_SIDE, TRIED] = [16, 4];
const MISSED_NATS = 1;
const [POOL, CHOICES, OTHERS] = [2 ** 29, 2 ** 28, 2 ** 27];

/** Exact draws of a member, and what every member says of them. */
class Candidates {
  /**
   * @param {Uint8Array[]} images
   * @param {number[][]} logP - (M, N)
   * @param {number} k
   */
  constructor(images, logP, k) {
    this.images = images;
    this.logP = logP;
    this.logWeights = mixed(logP).map((each, i) => each - logP[k][i]);
    this.logOthers = mixed(logP, k).map((each, i) => each - logP[k][i]);
  }

  get ess() {
    return 1 / exactSum(shares(this.logWeights).map((each) => each * each));
  }
}

/** Images of one completion. */
export class Accepting {
  /** @type {Candidates | undefined} */
  pool;
  /** @type {number[]} - of each image that was drawn */
  nats = [];
  #isMissed = false;

  /**
   * @param {Mixture} mixture
   * @param {number} k - the member in whose order nothing given lies behind the hole
   * @param {(sample: number) => Given} given - the material of each image
   * @param {number} size - draws of the pool, and about the most that are tried for an image
   * @param {number} together - the most that may be drawn side by side
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

  /** Draw the pool: in steps, each how much of it is done. */
  *begin() {
    /** @type {Candidates[]} */
    const parts = [];
    for (let first = 0; first < this.size; first += this.pooled) {
      const count = Math.min(this.pooled, this.size - first);
      for (const step of this.#drawn(this.given(0), POOL + first, count)) {
        if (step instanceof Candidates) parts.push(step);
        else yield (first + count * step) / this.size;
      }
    }
    this.pool = this.#joined(parts);
    yield* this.#askedOfOthers();
  }

  /**
   * Estimate p(given) by each other member, with as many particles as the pool has draws:
   * draws of member k may never reach the fillings that another member prefers.
   */
  *#askedOfOthers() {
    const { ways } = this.mixture;
    for (const [m, way] of ways.entries()) {
      if (m === this.member) continue;
      const sweep = way.sweep(this.given(0), this.size, OTHERS + m, this.hole);
      for (const _ of sweep.steps()) yield 1;
      const part = logSum(way.logPBefore(this.given(0))) + sweep.island.evidence() - logCount(ways);
      if (part > this.logEvidence + MISSED_NATS) this.#isMissed = true;
    }
  }

  /** Do enough draws of the pool count, and does no other member know better? */
  get suffices() {
    return this.ess >= ENOUGH && !this.#isMissed;
  }

  get ess() {
    return this.#found.ess;
  }

  get logEvidence() {
    const before = logSum(this.mixture.ways[this.member].logPBefore(this.given(0)));
    return before + logMean(this.#found.logWeights);
  }

  get evidenceSd() {
    return Math.sqrt(Math.max(0, 1 / this.ess - 1 / this.size));
  }

  /** The pool, weighed. */
  draws() {
    return { images: this.#found.images, weights: shares(this.#found.logWeights) };
  }

  /**
   * Draws of the pool, each as often as it weighs.
   *
   * @param {number} count
   */
  some(count) {
    const { images, logWeights } = this.#found;
    return Array.from({ length: count }, (_, place) => images[chosen(logWeights, (place + 0.5) / count)]);
  }

  /**
   * Draw image i: after each step but the last about how much of it is done; at last the image.
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
    const most = isOwn ? 1 : Math.floor(this.size / this.tried) + 1;
    for (let number = 0; number < most; number++) {
      for (const step of this.#drawn(given, number, isOwn ? 1 : this.tried)) {
        if (step instanceof Candidates) tried.push(step);
        else yield 1 - (1 - step / 2) * 0.5 ** tried.length;
      }
      const candidates = tried[tried.length - 1];
      const uniforms = this.#uniforms(given, CHOICES + 1 + number, this.tried);
      const passed = candidates.logOthers.map((each, n) => Number(uniforms[n] < exp(each - top)));
      if (isOwn || passed.includes(1)) return this.#taken(candidates, isOwn ? 0 : argmax(passed));
    }
    const every = this.#joined(tried);
    return this.#taken(every, chosen(every.logOthers, last));
  }

  /**
   * Draw so many: after each step but the last how much is done; at last the candidates.
   *
   * @param {Given} given
   * @param {number} number
   * @param {number} count
   */
  *#drawn(given, number, count) {
    const { ways } = this.mixture;
    const way = ways[this.member];
    const sweep = way.sweep(given, count, number, this.hole);
    for (const done of sweep.steps()) yield done / (1 + ways.length);
    const images = sweep.images.map((each) => way.upright(each));
    /** @type {number[][]} */
    const said = [];
    for (const each of ways) {
      said.push(summed(each.logP(images, given.temperature)));
      yield (1 + said.length) / (1 + ways.length);
    }
    yield new Candidates(images, said, this.member);
  }

  /** @param {Candidates[]} parts */
  #joined(parts) {
    const images = parts.flatMap((part) => part.images);
    const logP = this.mixture.ways.map((_, m) => parts.flatMap((part) => part.logP[m]));
    return new Candidates(images, logP, this.member);
  }

  /** p(k | given), as the pool has it. */
  get #share() {
    const { logOthers, logWeights } = this.#found;
    return 1 - exp(logMean(logOthers) - logMean(logWeights));
  }

  /** ln of the part of a weight that is accepted always. */
  get #logTop() {
    const { logOthers } = this.#found;
    const bounds = [logMean(logOthers), largest(logOthers)];
    return Math.min(...bounds.map((each, i) => each + log(TOP[i])));
  }

  get #found() {
    return /** @type {Candidates} */ (this.pool);
  }

  /**
   * Numbers in [0, 1) that no sweep uses.
   *
   * @param {Given} given
   * @param {number} number
   * @param {number} count
   */
  #uniforms(given, number, count) {
    return this.mixture.ways[this.member].choices.numbers(given, number, count);
  }

  /**
   * @param {Candidates} candidates
   * @param {number} i
   */
  #taken({ images, logP }, i) {
    this.nats.push(-mixed(logP.map((row) => [row[i]]))[0]);
    return images[i];
  }
}
