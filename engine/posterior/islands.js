/**
 * Draw the images of a completion that needs particles, as in
 * model_core/posterior/islands.py.
 *
 * If one member of a mixture comes to the hole last and its draws are worth enough, it
 * draws by rejection (accepting.js). Otherwise each image is drawn by two Markov chains
 * that begin apart (chain.js).
 */

/** @import {Target} from "./completion.js" */
/** @import {Listener} from "./types" */

/** @import {Shares} from "./marginals.js" */

import { Accepting } from "./accepting.js";
import { Chain, counted, FEW, seat } from "./chain.js";
import { argmax, log } from "../elementary.js";
import { Mixture } from "./mixture.js";
import { givenBehind, inverted, isMostlyLast } from "./plan.js";
import { acceptedReceipt, GOOD_APART, receiptOf } from "./receipt.js";

/** @typedef {import("./receipt.js").ImageFacts} ImageFacts */

/** Chains of each image: the distance between their ends shows how reliable the image is. */
const CHAINS = 2;
/** Members whose particles begin a chain, at most. */
const STARTS = 2;
/** Nats; chains that agree so closely on the evidence need one round only. */
const ALIKE_NATS = 0.5;
/** A guide suits a hole far better if so many times fewer given pixels lie behind the hole in its order. */
const FAR_BETTER = 2;
/** Effective candidates of a guide among which a choice is as good as a round. */
const ENOUGH = 8;
/** Ordinary rounds that a round with draws of a guide is worth. */
const OF_GUIDED = 2;
/** Draws of a pool along which pixels are predicted. */
const PREDICTED_ALONG = 16;
/** Effective draws of a pool that say as much about a pixel as one chain. */
const AS_ONE_CHAIN = 2;
/** Number of the sweep whose noise chooses among the chains of an image. */
const CHOICE = 2 ** 30 - 1;

/**
 * Return the number of particles of one chain.
 *
 * @param {number} particles - Particles of an image, which its two chains share.
 * @returns {number} Half of them, but at least 2.
 */
export const sizeOfChain = (particles) => Math.max(2, Math.floor(particles / CHAINS));

/**
 * Draws the images of one completion by particles, one after the other.
 *
 * `complete` makes one if no exact method applies: if given pixels lie behind the hole
 * in the order of some member, and the hole has too many fillings to score all. An
 * island is the group of particles behind one image. `steps(i)` draws image i; it
 * raises EngineError if the model finds the given pixels impossible. After at least one
 * image, `receipt()` describes the images drawn so far, and `marginals()` returns what
 * all their particles say about each pixel. The same completion with the same seed
 * gives the same images.
 */
export class IslandsRun {
  #accepting;
  /** @type {ImageFacts[]} */
  #islands = [];
  /** @type {number[]} - nats at temperature 1 of each accepted image */
  #acceptedAtOne = [];

  /**
   * @param {Target} target - The distribution to draw from; its ways must have memory
   *     for `sizeOfChain(particles)` particles.
   * @param {number} particles - Particles of each image, shared by its chains.
   * @param {number} sweeps - Rounds of a chain, at most.
   */
  constructor(target, particles, sweeps) {
    this.target = target;
    this.particles = particles;
    this.sweeps = sweeps;
    this.size = sizeOfChain(particles);
    const behind = target.mixture.proposers.map((way) => givenBehind(way.turned(target.keep)));
    const [mixture, starts] = chooseStarts(target.mixture, target.keep, behind);
    this.mixture = mixture;
    this.starts = starts;
    this.hole = inverted(target.keep);
    this.shares = this.target.noShares();
    this.#accepting = this.#acceptingByTheLast(behind);
  }

  /**
   * Return the object that draws by rejection, or undefined if no member without labels
   * comes to the hole last.
   *
   * @param {number[]} behind - Number of given pixels behind the hole in the order of
   *     each proposer.
   */
  #acceptingByTheLast(behind) {
    const [k] = this.starts;
    const { mixture } = this;
    if (mixture.ways.length === 1 || k >= mixture.ways.length) return undefined;
    if (mixture.ways[k].hasLabels || behind[k]) return undefined;
    return new Accepting(mixture, k, (sample) => this.target.given(sample), this.particles, this.size);
  }

  /**
   * Draw image i. Yield after each step how much is done, 0 to 1; return the image,
   * upright (C, H, W).
   *
   * @param {number} i
   * @returns {Generator<number, Uint8Array>}
   */
  *steps(i) {
    const accepting = this.#accepting;
    if (accepting && !accepting.pool) {
      yield* accepting.begin();
      yield* this.#expected(accepting);
    }
    if (!accepting?.suffices) return yield* this.#chained(i);
    const image = yield* accepting.steps(i);
    this.#acceptedAtOne.push(this.#natsAtOne(image, accepting.nats[accepting.nats.length - 1]));
    return image;
  }

  /**
   * Return the nats at temperature 1 of an image that has so many at the target's
   * temperature.
   *
   * The result is compared with `strangeNats` only, so the pass through the network is
   * left out if that is unknown.
   *
   * @param {Uint8Array} image
   * @param {number} nats
   */
  #natsAtOne(image, nats) {
    const { temperature, strangeNats } = this.target;
    if (temperature === 1 || strangeNats === null) return nats;
    return -this.mixture.whole(this.mixture.logP([image], 1))[0];
  }

  /**
   * Add the pool's draws to the marginals, and the predictions of its member along some
   * of them.
   *
   * @param {Accepting} accepting
   */
  *#expected(accepting) {
    if (!accepting.suffices) return;
    const way = this.target.mixture.ways[accepting.member];
    this.shares.add(accepting.draws(), this.hole, accepting.ess / AS_ONE_CHAIN);
    for (const _ of this.shares.predicting(way, way.components[0], accepting.some(PREDICTED_ALONG))) yield 0.5;
  }

  /**
   * Draw image i by chains. Yield how much is done, 0 to 1; return the image.
   *
   * @param {number} i
   */
  *#chained(i) {
    const { mixture } = this;
    const given = this.target.given(i);
    const sharesOfChains = Array.from({ length: CHAINS }, () => this.target.noShares());
    const chains = sharesOfChains.map((shares, number) => {
      /** @type {{took: Listener, passed: Listener}} */
      const listeners = { took: (...move) => shares.add(...move), passed: (...move) => shares.passBy(...move) };
      return new Chain(mixture, given, this.size, this.starts, number, listeners);
    });
    const parts = CHAINS * (1 + this.sweeps);
    for (const [number, chain] of chains.entries()) for (const done of chain.begin()) yield (number + done) / parts;
    const [uniform, which] = mixture.ways[0].choices.numbers(given, CHOICE, 2);
    const draws = seat(chains, uniform);
    const rounds = this.#rounds(chains);
    // If hardly any first particle counts, the candidates say little about the pixels,
    // and the rounds say more.
    if (!rounds || this.#ess(chains) >= FEW) {
      for (const each of sharesOfChains) each.add(draws, this.hole);
    }
    for (const [number, chain] of chains.entries()) {
      for (const done of chain.rounds(rounds)) yield (CHAINS + number * rounds + done) / (CHAINS * (1 + rounds));
    }
    const converged = convergedOf(chains);
    // A chain that is still far from the best one would make the marginals and the
    // choice of the image worse.
    for (const number of converged) {
      for (const _ of this.#predicted(sharesOfChains[number], chains[number])) yield 1;
      this.shares.merge(sharesOfChains[number]);
    }
    const chain = chains[converged[Math.floor(which * converged.length)]];
    for (const _ of chain.lookBack()) yield 1;
    return this.#taken(chains, chain);
  }

  /**
   * Add the predictions of each member's likeliest component along a chain's image.
   *
   * @param {Shares} shares
   * @param {Chain} chain
   */
  *#predicted(shares, chain) {
    const { ways, labels } = this.mixture;
    for (const [m, way] of ways.entries()) {
      const likeliest = argmax(chain.logP.slice(m * labels, (m + 1) * labels));
      yield* shares.predicting(way, way.components[likeliest], [chain.image]);
    }
  }

  /**
   * Return how many rounds the chains need. This is decided before the first round, so
   * that the images have no influence on it.
   *
   * @param {Chain[]} chains
   */
  #rounds(chains) {
    const [{ start: first }, { start: second }] = chains;
    const ess = this.#ess(chains);
    if (this.mixture.isGuided) {
      return ess >= Math.max(ENOUGH, this.size / 2) ? 0 : Math.floor((this.sweeps + 1) / OF_GUIDED);
    }
    const many = ess >= this.size / 4;
    const agree = Math.abs(first.logEvidence - second.logEvidence) < ALIKE_NATS;
    return many && agree ? Math.min(1, this.sweeps) : this.sweeps;
  }

  /**
   * Note the facts of an image for the receipt, and return the image of this chain.
   *
   * @param {Chain[]} chains
   * @param {Chain} chain
   */
  #taken(chains, { image, nats, component, logEvidenceAbove }) {
    const { mixture } = this;
    const [k, number] = mixture.wayOf(component);
    this.#islands.push({
      member: mixture.ways[k].orientation,
      label: mixture.ways[k].components[number].label,
      nats,
      natsAtOne: this.#natsAtOne(image, nats),
      chainsNats: chains.map((each) => each.nats),
      logEvidence: chains.map(({ start }) => start.logEvidence),
      logEvidenceAbove,
      ess: this.#ess(chains),
      distinct: Math.min(...chains.map(({ start }) => start.distinct)),
      particles: chains.reduce((sum, { beganWith }) => sum + beganWith, 0),
    });
    return image;
  }

  /**
   * Return the effective number of first particles; with guides, of all chains'
   * candidates together.
   *
   * @param {Chain[]} chains
   */
  #ess(chains) {
    const starts = chains.map(({ start }) => start);
    return this.mixture.isGuided ? counted(starts) : Math.min(...starts.map(({ leastEss }) => leastEss));
  }

  /** Return the marginals of the images drawn so far. */
  marginals() {
    return this.shares.result();
  }

  /**
   * Return the receipt of the images drawn so far. At least one must have been drawn.
   */
  receipt() {
    const { strangeNats, image } = this.target;
    const noiseNats = this.target.known.length * log(image.values);
    if (this.#accepting?.nats.length) {
      return acceptedReceipt(this.#accepting, this.#acceptedAtOne, strangeNats, noiseNats);
    }
    return receiptOf(this.#islands, strangeNats, image.values, noiseNats);
  }
}

/**
 * Return the mixture to use and the indices of the proposers that begin a chain.
 *
 * The mixture is returned without guides if none of them suits the hole.
 *
 * @param {Mixture} mixture
 * @param {Uint8Array} keep
 * @param {number[]} behind - Number of given pixels behind the hole in the order of
 *     each proposer.
 * @returns {[Mixture, number[]]}
 */
function chooseStarts(mixture, keep, behind) {
  const { isGuided, proposers, ways } = mixture;
  const least = Math.min(...behind.slice(0, ways.length)) / FAR_BETTER;
  const fit = [...behind.keys()].filter((k) => {
    return k < ways.length || behind[k] <= least || isMostlyLast(proposers[k].turned(keep));
  });
  if (fit.length === 1) return [new Mixture(ways, []), fit];
  const [best, ...others] = fit.sort((a, b) => behind[a] - behind[b]);
  const isEnough = isGuided && best < ways.length && !behind[best];
  return [mixture, isEnough ? [best] : [best, ...others].slice(0, STARTS)];
}

/**
 * Return the indices of the chains within GOOD_APART nats of the best one; the others
 * have not converged.
 *
 * @param {Chain[]} chains
 */
function convergedOf(chains) {
  const least = Math.min(...chains.map(({ nats }) => nats));
  return chains.flatMap(({ nats }, number) => (nats <= least + GOOD_APART ? [number] : []));
}
