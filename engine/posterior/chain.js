/**
 * A Markov chain on the images that fill a hole, as in model_core/posterior/chain.py.
 *
 * Its stationary distribution is the model's posterior: p(image, k | given) is
 * proportional to prior_k p_k(image) for images that agree with the given pixels. The
 * component k, a member with a label, is a variable of the chain. A round draws k given
 * the image so far, and then parts of the hole in the order of k's member by
 * conditional sequential Monte Carlo (particle Gibbs: Andrieu, Doucet and Holenstein,
 * 2010). First it draws the whole hole, if the first particles were worth something;
 * then windows of it, in which few particles are enough.
 */

/** @import {Given, Listener, Weighted} from "./types" */

/** @import {Mixture} from "./mixture.js" */
/** @import {Sweep} from "./smc.js" */

import { argmax, chosen, exactSum, log, logCount, logMean, logSum, shares } from "../elementary.js";
import { summed } from "./mixture.js";
import { givenBehind, inverted, isMostlyLast, windows, windowSize } from "./plan.js";

/**
 * Effective sample size below which a sweep of the whole hole hardly ever improves a
 * good image.
 */
export const FEW = 2;
/** Windows and tails are smaller than the hole, so a sweep's particles are divided by so many. */
const [OF_WINDOW, OF_TAIL] = [2, 2];
/**
 * Values of an image that is drawn soon or fairly soon, and the particles of each member with
 * which a mixture begins again if its first particles were worth nothing.
 */
const [SMALL, OF_SMALL] = [256, 128];
const [LARGER, OF_LARGER] = [1024, 64];
/**
 * Images of a first sweep that every member scores. If no given pixel lies behind the hole,
 * each is an exact draw, and more are worth the time.
 */
const [CANDIDATES, CANDIDATES_OF_EXACT] = [2, 8];
/** Times as many candidates if the chain began again. */
const CANDIDATES_OF_LOST = 4;
/** Sweeps have numbers for their noise; each chain of an image has so many of its own. */
const SWEEPS_OF_CHAIN = 2 ** 24;

/**
 * The state in which a chain starts: N candidates for its first image.
 *
 * @typedef {Object} Start
 * @property {Uint8Array[]} images - Upright values (C, H, W) of each candidate.
 * @property {number[]} components - Index of the component that drew each candidate.
 * @property {number[][]} logP - ln of prior and probability by each component: (K, N).
 * @property {number[]} logWeights - (N,); the sum of their exponentials is an unbiased
 *     estimate of the model's p(given).
 * @property {number} logEvidence - ln of that estimate.
 * @property {number} leastEss - Smallest effective sample size on the way.
 * @property {number} distinct - First particles from which a member's last ones descend.
 * @property {[number[], number][]} parts - The part of logWeights of each proposer, and its
 *     smallest effective sample size.
 */

/**
 * A Markov chain of images that fill a hole. Its image tends to a draw from the posterior.
 *
 * `IslandsRun` makes two for each image and uses them in this order. `begin()` draws candidates
 * for the first image and puts them into the property `start`. The function `seat` of this
 * module gives each chain one of all candidates. `rounds(count)` replaces the image that often.
 * `lookBack()` estimates p(given) once more. The methods are generators, which yield how much
 * is done. `image`, `logP`, `component` and `nats` describe the current image. All chains use
 * the same particles of the mixture, so only one may run at a time. A sweep raises EngineError
 * if the model finds the given pixels impossible.
 */
export class Chain {
  /** The current image, upright (C, H, W). @type {Uint8Array} */
  image = new Uint8Array();
  /** ln of prior and probability of the image by each component, after the last round. @type {number[]} */
  logP = [];
  /** Index of the component that drew the image last. */
  component = 0;
  /** ln of an estimate of p(given) that tends to be too large if the image is a draw from the posterior. */
  logEvidenceAbove = 0;
  /** The state after `begin`. */
  start = /** @type {Start} */ ({});
  #next;
  #isLost = false;
  /** @type {Map<number, number[]>} */
  #knownBefore = new Map();

  /**
   * @param {Mixture} mixture
   * @param {Given} given - The given pixels and the noise of the image.
   * @param {number} size - Particles of a sweep of the whole hole.
   * @param {number[]} starts - Indices of the proposers whose particles begin the
   *     chain.
   * @param {number} number - Number of this chain among those of the image.
   * @param {{took: Listener, passed: Listener}} listeners - `took` is called with the images of
   *     each move, `passed` with the first particles while they move through the hole.
   */
  constructor(mixture, given, size, starts, number, { took, passed }) {
    this.mixture = mixture;
    this.given = given;
    this.size = size;
    this.beganWith = size;
    this.starts = starts;
    this.took = took;
    this.passed = passed;
    this.hole = inverted(given.keep);
    this.#next = number * SWEEPS_OF_CHAIN;
  }

  /** Return -ln p of the image by the model, after the last round. */
  get nats() {
    return -this.mixture.whole(this.logP.map((each) => [each]))[0];
  }

  /**
   * Draw candidates for the first image. Yield after each step how much is done, 0 to
   * 1.
   */
  *begin() {
    const values = this.given.known.length;
    const again = values <= SMALL ? OF_SMALL : values <= LARGER ? OF_LARGER : 0;
    // If the first particles of a mixture were worth nothing, more particles may help;
    // that takes too long for large images.
    const canBeginAgain = this.starts.length > 1 && !this.mixture.isGuided && this.size < again;
    const sizes = canBeginAgain ? [this.size, again] : [this.size];
    for (const [number, size] of sizes.entries()) {
      if (number && !this.#isInVain()) return;
      this.beganWith = size;
      this.#isLost = number > 0;
      /** @type {[number, Sweep][]} */
      const found = [];
      for (const [done, k] of this.starts.entries()) {
        const labels = this.#firstLabels(k, size);
        const way = this.mixture.proposers[k];
        const sweep = way.sweep(this.given, size, this.#next++, this.hole, { labels, passed: this.passed });
        for (const share of sweep.steps()) yield (number + (done + share) / this.starts.length) / sizes.length;
        found.push([k, sweep]);
      }
      this.start = this.#startFrom(found);
    }
  }

  /**
   * Return true if hardly any first particle counted. Of an image that is not small,
   * the likeliest candidate must be strange as well.
   */
  #isInVain() {
    const { known, strangeNats } = this.given;
    const usual = known.length <= SMALL ? -Infinity : (strangeNats ?? Infinity);
    return this.start.leastEss < FEW && -Math.max(...this.mixture.whole(this.start.logP)) > usual;
  }

  /**
   * Return the candidates of several proposers, with their weights.
   *
   * @param {[number, Sweep][]} found - Index of a proposer, and its sweep.
   * @returns {Start}
   */
  #startFrom(found) {
    const parts = found.map(([k, sweep]) => this.#candidates(k, sweep));
    const logP = parts.map(({ images }) => this.mixture.logP(images, this.given.temperature));
    const weights = found.map(([k, sweep], i) => this.#logWeights(k, sweep, parts[i], logP[i]));
    return {
      images: parts.flatMap(({ images }) => images),
      components: found.flatMap(([k], i) => parts[i].images.map((_, n) => this.#drawnBy(k, columnOf(logP[i], n)))),
      logP: logP[0].map((_, k) => logP.flatMap((each) => each[k])),
      logWeights: weights.flat(),
      logEvidence: logSum(weights.flat()),
      leastEss: Math.min(...found.map(([, { island }]) => island.leastEss)),
      distinct: Math.min(...found.map(([, { island }]) => new Set(island.ancestors).size)),
      parts: found.map(([, { island }], i) => [weights[i], island.leastEss]),
    };
  }

  /**
   * Return ln of the weight of each candidate of proposer k.
   *
   * @param {number} k
   * @param {Sweep} sweep
   * @param {Weighted} part
   * @param {number[][]} logP
   */
  #logWeights(k, sweep, part, logP) {
    const behind = logSum(this.#before(k)) + sweep.island.evidence();
    const { temperature } = this.given;
    // Candidates of several members are weighed by the mean of these members'
    // probabilities, so that a filling that any of them prefers gets a bounded weight.
    // A guide is none of them.
    const proposers = Math.max(...this.starts) >= this.mixture.ways.length ? [k] : this.starts;
    const drawnBy = summed(proposers.map((each) => this.mixture.proposed(each, part.images, logP, temperature)));
    const whole = this.mixture.whole(logP);
    const mean = logCount(this.starts) - logCount(proposers);
    return part.weights.map((weight, i) => behind + log(weight) + whole[i] - drawnBy[i] - mean);
  }

  /**
   * Return the index of the component that finds an image likeliest: of member k, or
   * any if k is a guide.
   *
   * @param {number} k
   * @param {number[]} logP - ln of prior and probability by each component.
   */
  #drawnBy(k, logP) {
    const { labels, ways } = this.mixture;
    if (k >= ways.length) return argmax(logP);
    return k * labels + argmax(logP.slice(k * labels, (k + 1) * labels));
  }

  /**
   * Return ln p of the given pixels before the hole, by proposer k and given each
   * label. The result is kept.
   *
   * @param {number} k
   */
  #before(k) {
    const known = this.#knownBefore.get(k) ?? this.mixture.proposers[k].logPBefore(this.given);
    this.#knownBefore.set(k, known);
    return known;
  }

  /**
   * Return labels of the first particles of proposer k, evenly spread over p(label |
   * given before the hole).
   *
   * @param {number} k
   * @param {number} size
   */
  #firstLabels(k, size) {
    if (!this.mixture.proposers[k].hasLabels) return undefined;
    const [first] = this.#uniforms(1);
    return this.#labelsAt(
      k,
      Array.from({ length: size }, (_, i) => (first + i) / size),
    );
  }

  /**
   * Return the label that each uniform number chooses.
   *
   * @param {number} k
   * @param {number[]} uniforms
   */
  #labelsAt(k, uniforms) {
    const { components } = this.mixture.proposers[k];
    return uniforms.map((each) => /** @type {number} */ (components[chosen(this.#before(k), each)].label));
  }

  /**
   * Continue from candidate i of a chain's start, which may be another chain's.
   *
   * @param {Start} start
   * @param {number} i
   */
  take(start, i) {
    this.image = start.images[i];
    this.logP = columnOf(start.logP, i);
    this.component = start.components[i];
  }

  /**
   * Return some of a sweep's last images, drawn by their weights; all of them if no
   * other component has to score them.
   *
   * @param {number} k
   * @param {Sweep} sweep
   * @returns {Weighted}
   */
  #candidates(k, { island, images }) {
    const way = this.mixture.proposers[k];
    const { isGuided, labels, ways } = this.mixture;
    if (k >= ways.length || (labels === 1 && (isGuided || ways.length === 1))) {
      return {
        images: images.map((each) => way.upright(each)),
        weights: island.weights.map((each) => Math.max(each, 1e-300)),
      };
    }
    const most = givenBehind(way.turned(this.given.keep)) ? CANDIDATES : CANDIDATES_OF_EXACT;
    const count = Math.min(most, this.size) * (this.#isLost ? CANDIDATES_OF_LOST : 1);
    const [first] = this.#uniforms(1);
    const all = Array.from({ length: count }, (_, i) => island.drawn((first + i) / count));
    const drawn = [...new Set(all)].sort((a, b) => a - b);
    const weights = drawn.map((each) => all.filter((other) => other === each).length / count);
    return { images: drawn.map((each) => way.upright(images[each])), weights };
  }

  /**
   * Draw the image anew so many times. Yield after each step how many rounds are done,
   * with the part of the current one that is done.
   *
   * @param {number} count
   */
  *rounds(count) {
    for (let round = 0; round < count; round++) {
      for (const [k, block] of this.#guiding()) {
        for (const _ of this.#guided(k, block)) yield round;
      }
      this.component = chosen(this.logP, this.#uniforms(1)[0]);
      const blocks = this.#blocks();
      for (const [done, block] of blocks.entries()) {
        for (const share of this.#move(block)) yield round + (done + share) / blocks.length;
      }
      this.logP = this.mixture.logP([this.image], this.given.temperature).map(([each]) => each);
    }
  }

  /**
   * Yield the proposers that draw images in a round, each with the part of the hole
   * that it draws.
   *
   * With guides that is the whole hole. A mixture whose first particles were worth
   * nothing draws the part behind a row that is chosen anew each time.
   *
   * @returns {Generator<[number, Uint8Array]>}
   */
  *#guiding() {
    const { isGuided, proposers, ways } = this.mixture;
    for (const k of this.starts) {
      const way = proposers[k];
      if (this.#isLost) {
        const { height, width } = way.size;
        const tail = way.turned(this.hole).slice();
        const begins = Array.from({ length: height }, (_, y) => y * width);
        const rows = begins.filter((first) => tail.subarray(first, first + width).includes(1));
        tail.fill(0, 0, rows[Math.floor(this.#uniforms(1)[0] * rows.length)]);
        yield [k, way.upright(tail)];
      } else if (isGuided && (k || ways.length > 1) && isMostlyLast(way.turned(this.given.keep))) {
        yield [k, this.hole];
      }
    }
  }

  /**
   * Draw a part of the hole by proposer k; choose an image by p(image) of the model
   * divided by the proposer's.
   *
   * @param {number} k
   * @param {Uint8Array} block
   */
  *#guided(k, block) {
    const size = this.#isLost ? this.beganWith / OF_TAIL : this.size;
    const { images, logP, logWeights } = yield* this.#again(k, block, size);
    const drawn = chosen(logWeights, this.#uniforms(1)[0]);
    this.image = images[drawn];
    this.logP = columnOf(logP, drawn);
    this.took({ images, weights: shares(logWeights) }, block);
  }

  /**
   * Draw a part of the hole by proposer k, with the current image among the particles.
   *
   * @param {number} k
   * @param {Uint8Array} block
   * @param {number} size
   * @param {boolean} [toEnd] - True to weigh all given pixels also if only one particle
   *     is left behind the hole.
   * @returns {Generator<number, {images: Uint8Array[], logP: number[][], logWeights: number[]}>}
   *     Images, their probabilities by all components, and their weights. Of the whole
   *     hole and with `toEnd`, the sum of the weights estimates p(given).
   */
  *#again(k, block, size, toEnd = false) {
    const { temperature } = this.given;
    const { labels: each, ways } = this.mixture;
    const way = this.mixture.proposers[k];
    const own = this.logP.slice(k * each, (k + 1) * each);
    const number = k < ways.length ? chosen(own, this.#uniforms(1)[0]) : 0;
    const labels = this.#nextLabels(k, number, this.#isWhole(block), size);
    const sweep = way.sweep(this.given, size, this.#next++, block, { image: this.image, labels, toEnd });
    for (const _ of sweep.steps()) yield 0;
    const { island } = sweep;
    // A chain that began again has many particles, too many for every member to score
    // all of them.
    const most = this.#isLost ? CANDIDATES_OF_EXACT : Infinity;
    const left = island.size > most ? island.narrow(this.#uniforms(most), most) : sweep.images.keys();
    const images = Array.from(left, (i) => way.upright(sweep.images[i]));
    const logP = this.mixture.logP(images, temperature);
    const [whole, proposed] = [this.mixture.whole(logP), this.mixture.proposed(k, images, logP, temperature)];
    const behind = logSum(this.#before(k)) + island.evidence();
    const logWeights = island.weights.map((w, i) => behind + log(Math.max(w, 1e-300)) + whole[i] - proposed[i]);
    return { images, logP, logWeights };
  }

  /**
   * Estimate p(given) from above: with the current image among the particles of the
   * proposer that counted most.
   */
  *lookBack() {
    const sums = this.start.parts.map(([logWeights]) => logSum(logWeights));
    const most = argmax(sums);
    const [k, [drawn]] = [this.starts[most], this.start.parts[most]];
    if (k < this.mixture.ways.length || givenBehind(this.mixture.proposers[k].turned(this.given.keep))) {
      this.logEvidenceAbove = logSum((yield* this.#again(k, this.hole, this.size, true)).logWeights);
      return;
    }
    const logP = this.logP.map((each) => [each]);
    const [own] = this.mixture.proposed(k, [this.image], logP, this.given.temperature);
    const weight = logSum(this.#before(k)) + this.mixture.whole(logP)[0] - own;
    this.logEvidenceAbove = logMean([...drawn.map((each) => each + logCount(drawn) + logCount(this.starts)), weight]);
  }

  /**
   * Return the parts of the hole that a round draws one after the other, as upright
   * masks.
   */
  #blocks() {
    const way = this.#way();
    const [tall, wide] = windowSize(way.size);
    const [down, along] = this.#uniforms(2);
    const turned = windows(way.turned(this.hole), way.size, Math.floor(down * tall), Math.floor(along * wide));
    const parts = turned.map((part) => way.upright(part));
    const whole = (this.start.leastEss >= FEW && !this.#isLost) || parts.length === 1 ? [this.hole] : [];
    return [...whole, ...(parts.length > 1 ? parts : [])];
  }

  /**
   * Draw a part of the hole anew, given everything else. Yield how much is done, 0 to
   * 1.
   *
   * @param {Uint8Array} block
   */
  *#move(block) {
    const [k, number] = this.mixture.wayOf(this.component);
    const isWhole = this.#isWhole(block);
    const size = isWhole ? this.size : Math.max(2, Math.floor(this.size / OF_WINDOW));
    const labels = this.#nextLabels(k, number, isWhole, size);
    const way = this.#way();
    const sweep = way.sweep(this.given, size, this.#next++, block, { image: this.image, labels });
    yield* sweep.steps();
    const label = way.components.findIndex((each) => each.label === sweep.label);
    this.component = k * this.mixture.labels + label;
    this.image = way.upright(/** @type {Uint8Array} */ (sweep.image));
    this.took({ images: sweep.images.map((each) => way.upright(each)), weights: sweep.island.weights }, block);
  }

  /**
   * Return true if a part is the whole hole.
   *
   * @param {Uint8Array} block
   */
  #isWhole(block) {
    return block.every((each, place) => each === this.hole[place]);
  }

  /** Return the way, a member with its orientation, of the current component. */
  #way() {
    return this.mixture.ways[this.mixture.wayOf(this.component)[0]];
  }

  /**
   * Return the labels of the particles of a move. In a window all have the image's
   * label; of the whole hole, the others are drawn like those of the first particles.
   *
   * @param {number} k
   * @param {number} number - Index of the image's label among the way's components.
   * @param {boolean} isWhole
   * @param {number} size
   */
  #nextLabels(k, number, isWhole, size) {
    const way = this.mixture.proposers[k];
    if (!way.hasLabels) return undefined;
    const label = /** @type {number} */ (way.components[number].label);
    if (way.components.length === 1 || !isWhole) return new Array(size).fill(label);
    return [label, ...this.#labelsAt(k, [...this.#uniforms(size - 1)])];
  }

  /**
   * Return numbers in [0, 1) that no sweep uses.
   *
   * @param {number} count
   */
  #uniforms(count) {
    return this.mixture.ways[0].choices.numbers(this.given, this.#next++, count);
  }
}

/**
 * Give each chain its first image: one of the candidates of all chains, chosen by
 * weight.
 *
 * Chains share their candidates, so that a chain that began badly continues from where
 * another one is. The choices are evenly spaced over the weights.
 *
 * @param {Chain[]} chains - Each must have finished `begin`. Changes the image, `logP`
 *     and component of each.
 * @param {number} uniform - A uniform number in [0, 1).
 * @returns {Weighted} All candidates, with weights that add up to 1.
 */
export function seat(chains, uniform) {
  const places = chains.flatMap(({ start }) => start.images.map((_, i) => /** @type {const} */ ([start, i])));
  const logWeights = chains.flatMap(({ start }) => start.logWeights);
  chains.forEach((chain, number) => chain.take(...places[chosen(logWeights, (uniform + number) / chains.length)]));
  return { images: chains.flatMap(({ start }) => start.images), weights: shares(logWeights) };
}

/**
 * Return the effective sample size of the candidates of all starts together.
 *
 * A proposer's part counts no more than the smallest effective sample size of its
 * particles on the way.
 *
 * @param {Start[]} starts - At least one.
 * @returns {number} A number of at least 1, not always whole.
 */
export function counted(starts) {
  const parts = starts.flatMap((start) => start.parts);
  const weights = shares(parts.flatMap(([logWeights]) => logWeights));
  let first = 0;
  const squares = parts.map(([logWeights, leastEss]) => {
    const part = weights.slice(first, (first += logWeights.length));
    const total = exactSum(part);
    return Math.max(exactSum(part.map((each) => each * each)), (total * total) / leastEss);
  });
  return 1 / exactSum(squares);
}

/**
 * Return entry i of each row.
 *
 * @param {number[][]} rows
 * @param {number} i
 */
const columnOf = (rows, i) => rows.map((row) => row[i]);
