/** A Markov chain on the images that fill a hole: model_core/posterior/chain.py. */

/** @import {Given, Took, Weighted} from "./types" */

/** @import {Mixture} from "./mixture.js" */
/** @import {Sweep} from "./smc.js" */

import { argmax, chosen, exactSum, log, logCount, logMean, logSum, shares } from "../elementary.js";
import { summed } from "./mixture.js";
import { givenBehind, inverted, isMostlyLast, windows, windowSize } from "./plan.js";

export const FEW = 2;
const [OF_WINDOW, OF_TAIL] = [2, 2];
const [SMALL, OF_SMALL] = [256, 128];
const [LARGER, OF_LARGER] = [1024, 64];
const [CANDIDATES, CANDIDATES_OF_EXACT] = [2, 8];
const CANDIDATES_OF_LOST = 4;
const SWEEPS_OF_CHAIN = 2 ** 24;

/**
 * The find of a chain's first particles: candidates for the first image.
 *
 * @typedef {Object} Start
 * @property {Uint8Array[]} images
 * @property {number[]} components - the one that drew each
 * @property {number[][]} logP - (K, N)
 * @property {number[]} logWeights - what is expected of the sum of their exponentials is p(given), of the model
 * @property {number} logEvidence
 * @property {number} leastEss
 * @property {number} distinct
 * @property {[number[], number][]} parts - of each proposer, its part of logWeights, and its leastEss
 */

export class Chain {
  /** @type {Uint8Array} - the right way up, after each step */
  image = new Uint8Array();
  /** @type {number[]} - what each component says of the image after the last round, and its prior */
  logP = [];
  /** The component that drew last. */
  component = 0;
  /** Of an estimate of p(given) that is expected to be too large, if the image is a draw from the posterior. */
  logEvidenceAbove = 0;
  /** The find of the first particles. */
  start = /** @type {Start} */ ({});
  #next;
  #isLost = false;
  /** @type {Map<number, number[]>} */
  #knownBefore = new Map();

  /**
   * @param {Mixture} mixture
   * @param {Given} given
   * @param {number} size - particles of a sweep of the whole hole
   * @param {number[]} starts - the members whose particles begin it
   * @param {number} number - among the chains of one image
   * @param {{took: Took, passed: Took}} listeners - of each move, and of the first particles on their way
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

  /** -ln p of the image after the last round. */
  get nats() {
    return -this.mixture.whole(this.logP.map((each) => [each]))[0];
  }

  /** Draw candidates for the first image: in steps, each how much of that is done. */
  *begin() {
    const values = this.given.known.length;
    const again = values <= SMALL ? OF_SMALL : values <= LARGER ? OF_LARGER : 0;
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
      this.start = this.#started(found);
    }
  }

  /** True if hardly any first particle counted, and the likeliest is strange, where images are not small. */
  #isInVain() {
    const { known, strangeNats } = this.given;
    const usual = known.length <= SMALL ? -Infinity : (strangeNats ?? Infinity);
    return this.start.leastEss < FEW && -Math.max(...this.mixture.whole(this.start.logP)) > usual;
  }

  /**
   * @param {[number, Sweep][]} found
   * @returns {Start}
   */
  #started(found) {
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
   * @param {number} k
   * @param {Sweep} sweep
   * @param {Weighted} part
   * @param {number[][]} logP
   */
  #logWeights(k, sweep, part, logP) {
    const behind = logSum(this.#before(k)) + sweep.island.evidence();
    const { temperature } = this.given;
    const asked = Math.max(...this.starts) >= this.mixture.ways.length ? [k] : this.starts;
    const drawnBy = summed(asked.map((each) => this.mixture.proposed(each, part.images, logP, temperature)));
    const whole = this.mixture.whole(logP);
    const mean = logCount(this.starts) - logCount(asked);
    return part.weights.map((weight, i) => behind + log(weight) + whole[i] - drawnBy[i] - mean);
  }

  /**
   * The component of member k, or any for a guide's, that an image is likeliest by.
   *
   * @param {number} k
   * @param {number[]} logP - what all say of it
   */
  #drawnBy(k, logP) {
    const { labels, ways } = this.mixture;
    if (k >= ways.length) return argmax(logP);
    return k * labels + argmax(logP.slice(k * labels, (k + 1) * labels));
  }

  /** @param {number} k */
  #before(k) {
    const known = this.#knownBefore.get(k) ?? this.mixture.proposers[k].logPBefore(this.given);
    this.#knownBefore.set(k, known);
    return known;
  }

  /**
   * The labels of so many first particles of member k, evenly by p(label | given before the hole).
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
   * @param {number} k
   * @param {number[]} uniforms
   */
  #labelsAt(k, uniforms) {
    const { components } = this.mixture.proposers[k];
    return uniforms.map((each) => /** @type {number} */ (components[chosen(this.#before(k), each)].label));
  }

  /**
   * Go on from candidate i of a chain's start.
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
   * Some of a sweep's last images by their weights; all of them count where no other component has a say.
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
   * Draw the image anew so many times: in steps, each how much of one round is done.
   *
   * @param {number} count
   */
  *rounds(count) {
    for (let round = 0; round < count; round++) {
      for (const [k, block] of this.#guiding()) yield* this.#guided(k, block);
      this.component = chosen(this.logP, this.#uniforms(1)[0]);
      const blocks = this.#blocks();
      for (const [done, block] of blocks.entries()) {
        for (const share of this.#move(block)) yield (done + share) / blocks.length;
      }
      this.logP = this.mixture.logP([this.image], this.given.temperature).map(([each]) => each);
    }
  }

  /**
   * Starts that propose images in each round, and the part of the hole that each draws: with guides, all; of a mixture
   * that is lost, what lies behind a row, another each time.
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
   * Draw a part of the hole anew by proposer k; what it draws is weighed by p(image) of the model over its own.
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
   * Draw a part of the hole by proposer k, the image so far among its particles; of the whole hole, the weights add up to
   * an estimate of p(given).
   *
   * @param {number} k
   * @param {Uint8Array} block
   * @param {number} size
   * @returns {Generator<number, {images: Uint8Array[], logP: number[][], logWeights: number[]}>}
   */
  *#again(k, block, size) {
    const { temperature } = this.given;
    const { labels: each, ways } = this.mixture;
    const way = this.mixture.proposers[k];
    const own = this.logP.slice(k * each, (k + 1) * each);
    const number = k < ways.length ? chosen(own, this.#uniforms(1)[0]) : 0;
    const labels = this.#nextLabels(k, number, this.#isWhole(block), size);
    const sweep = way.sweep(this.given, size, this.#next++, block, { image: this.image, labels });
    for (const _ of sweep.steps()) yield 0;
    const { island } = sweep;
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
   * Estimate p(given) from the other side, with the image so far among the particles of the proposer whose own counted
   * most.
   */
  *lookBack() {
    const sums = this.start.parts.map(([logWeights]) => logSum(logWeights));
    const most = argmax(sums);
    const [k, [drawn]] = [this.starts[most], this.start.parts[most]];
    if (k < this.mixture.ways.length || givenBehind(this.mixture.proposers[k].turned(this.given.keep))) {
      this.logEvidenceAbove = logSum((yield* this.#again(k, this.hole, this.size)).logWeights);
      return;
    }
    const logP = this.logP.map((each) => [each]);
    const [own] = this.mixture.proposed(k, [this.image], logP, this.given.temperature);
    const weight = logSum(this.#before(k)) + this.mixture.whole(logP)[0] - own;
    this.logEvidenceAbove = logMean([...drawn.map((each) => each + logCount(drawn) + logCount(this.starts)), weight]);
  }

  /** The parts of the hole that a round draws, one after the other; the right way up. */
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
   * Draw a part of the hole anew, all else given: in steps, each how much of that is done.
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

  /** @param {Uint8Array} block */
  #isWhole(block) {
    return block.every((each, place) => each === this.hole[place]);
  }

  #way() {
    return this.mixture.ways[this.mixture.wayOf(this.component)[0]];
  }

  /**
   * The labels of the particles of a move: that of the image; of the whole hole, the others' as of the first particles.
   *
   * @param {number} k
   * @param {number} number
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
   * Numbers in [0, 1) that no sweep uses.
   *
   * @param {number} count
   */
  #uniforms(count) {
    return this.mixture.ways[0].choices.numbers(this.given, this.#next++, count);
  }
}

/**
 * Give each chain its first image, of the candidates of all: by their weights, in even steps from a uniform number on.
 *
 * @param {Chain[]} chains
 * @param {number} uniform
 * @returns {Weighted} the candidates
 */
export function seat(chains, uniform) {
  const places = chains.flatMap(({ start }) => start.images.map((_, i) => /** @type {const} */ ([start, i])));
  const logWeights = chains.flatMap(({ start }) => start.logWeights);
  chains.forEach((chain, number) => chain.take(...places[chosen(logWeights, (uniform + number) / chains.length)]));
  return { images: chains.flatMap(({ start }) => start.images), weights: shares(logWeights) };
}

/**
 * How many equally weighted candidates would be worth as much as those of all starts.
 *
 * @param {Start[]} starts
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
 * @param {number[][]} rows
 * @param {number} i
 */
const columnOf = (rows, i) => rows.map((row) => row[i]);
