/** The images of a completion of a hole that takes particles, one after the other: model_core/posterior/islands.py. */

/** @import {Target} from "./completion.js" */
/** @import {Took} from "./types" */

/** @import {Shares} from "./marginals.js" */

import { Accepting } from "./accepting.js";
import { Chain, counted, FEW, seat } from "./chain.js";
import { argmax } from "../elementary.js";
import { Mixture } from "./mixture.js";
import { givenBehind, inverted, isMostlyLast } from "./plan.js";
import { acceptedReceipt, GOOD_APART, receiptOf } from "./receipt.js";

/** @typedef {import("./receipt.js").Drawn} Drawn */

const CHAINS = 2;
const STARTS = 2;
const ALIKE_NATS = 0.5;
const FAR_BETTER = 2;
const ENOUGH = 8;
const OF_GUIDED = 2;
const PREDICTED_ALONG = 16;
const AS_ONE_CHAIN = 2;
const CHOICE = 2 ** 30 - 1;

/** @param {number} particles - of an image; returns those of a chain */
export const sizeOfChain = (particles) => Math.max(2, Math.floor(particles / CHAINS));

export class IslandsRun {
  #accepting;
  /** @type {Drawn[]} */
  #islands = [];
  /** @type {number[]} - nats at temperature 1 of each accepted image */
  #acceptedAtOne = [];

  /**
   * @param {Target} target - whose ways draw as many particles as a chain has
   * @param {number} particles
   * @param {number} sweeps
   */
  constructor(target, particles, sweeps) {
    this.target = target;
    this.particles = particles;
    this.sweeps = sweeps;
    this.size = sizeOfChain(particles);
    const behind = target.mixture.proposers.map((way) => givenBehind(way.turned(target.keep)));
    const [mixture, starts] = begun(target.mixture, target.keep, behind);
    this.mixture = mixture;
    this.starts = starts;
    this.hole = inverted(target.keep);
    this.shares = this.target.noShares();
    this.#accepting = this.#acceptingByTheLast(behind);
  }

  /** @param {number[]} behind */
  #acceptingByTheLast(behind) {
    const [k] = this.starts;
    const { mixture } = this;
    if (mixture.ways.length === 1 || k >= mixture.ways.length) return undefined;
    if (mixture.ways[k].hasLabels || behind[k]) return undefined;
    return new Accepting(mixture, k, (sample) => this.target.given(sample), this.particles, this.size);
  }

  /**
   * Draw image i: after each step how much of it is done, 0 to 1; returns it.
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
   * Return the nats at temperature 1 of an image that has so many at the target's temperature.
   * The pass is left out if nothing is compared with the result.
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
   * Take in what the pool says of each pixel, and what its member predicts along some of it.
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
   * Draw image i by chains.
   *
   * @param {number} i
   */
  *#chained(i) {
    const { mixture } = this;
    const given = this.target.given(i);
    const told = Array.from({ length: CHAINS }, () => this.target.noShares());
    const chains = told.map((shares, number) => {
      /** @type {{took: Took, passed: Took}} */
      const listeners = { took: (...move) => shares.add(...move), passed: (...move) => shares.passBy(...move) };
      return new Chain(mixture, given, this.size, this.starts, number, listeners);
    });
    const parts = CHAINS * (1 + this.sweeps);
    for (const [number, chain] of chains.entries()) for (const done of chain.begin()) yield (number + done) / parts;
    const [uniform, which] = mixture.ways[0].choices.numbers(given, CHOICE, 2);
    const draws = seat(chains, uniform);
    const rounds = this.#rounds(chains);
    if (!rounds || this.#ess(chains) >= FEW) {
      for (const each of told) each.add(draws, this.hole);
    }
    for (const [number, chain] of chains.entries()) {
      for (const done of chain.rounds(rounds)) yield (CHAINS + number * rounds + done) / (CHAINS * (1 + rounds));
    }
    const arrived = arrivedOf(chains);
    for (const number of arrived) {
      for (const _ of this.#predicted(told[number], chains[number])) yield 1;
      this.shares.merge(told[number]);
    }
    const chain = chains[arrived[Math.floor(which * arrived.length)]];
    for (const _ of chain.lookBack()) yield 1;
    return this.#taken(chains, chain);
  }

  /**
   * Let each member's likeliest component say what it predicts along a chain's image.
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
   * How many rounds are needed; decided before the first, so that the images have no say in it.
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
   * The image of one of the chains.
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
   * How many of the first particles counted: with guides, of all chains' candidates together.
   *
   * @param {Chain[]} chains
   */
  #ess(chains) {
    const starts = chains.map(({ start }) => start);
    return this.mixture.isGuided ? counted(starts) : Math.min(...starts.map(({ leastEss }) => leastEss));
  }

  /** Of all images that were drawn, at least one. */
  marginals() {
    return this.shares.result();
  }

  /** Of all images that were drawn, at least one. */
  receipt() {
    const { strangeNats, image } = this.target;
    if (this.#accepting?.nats.length) return acceptedReceipt(this.#accepting, this.#acceptedAtOne, strangeNats);
    return receiptOf(this.#islands, strangeNats, image.values);
  }
}

/**
 * The proposers that begin a chain, and the mixture: without guides, where none is fit.
 *
 * @param {Mixture} mixture
 * @param {Uint8Array} keep
 * @param {number[]} behind - given pixels behind the hole in the order of each
 * @returns {[Mixture, number[]]}
 */
function begun(mixture, keep, behind) {
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
 * The numbers of the chains that count: all, but for those that are still far from where another is.
 *
 * @param {Chain[]} chains
 */
function arrivedOf(chains) {
  const least = Math.min(...chains.map(({ nats }) => nats));
  return chains.flatMap(({ nats }, number) => (nats <= least + GOOD_APART ? [number] : []));
}
