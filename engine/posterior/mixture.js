/**
 * A model as a completion sees it: a mixture of members, and guides. As in
 * model_core/posterior/mixture.py.
 */

/** @import {Orientation, Size3} from "../types" */
/** @import {Component, Given, Labels, Particle, Listener} from "./types" */

/** @import {Choices} from "./noise.js" */
/** @import {Particles} from "./particles.js" */

import { turn, turnBack } from "../orientation.js";
import { log, logCount, logSum } from "../elementary.js";
import { firstHole, inverted } from "./plan.js";
import { Sweep } from "./smc.js";

/**
 * One network with its orientation: its way through an image, pixel by pixel.
 *
 * A `Target` makes one for each member and guide. `turned` and `upright` turn maps of
 * pixels into the network's orientation and back; `sweep` starts particles through a
 * hole; `logP` and `logPBefore` score images. `components` are the labels that an image
 * may have, or one without a label. The particles are made when they are first needed,
 * which raises EngineError if there is too little memory. `sweep` and the scores use
 * the same particles, so only one may run at a time.
 */
export class Way {
  /** @type {Particles | undefined} */
  #particles;

  /**
   * @param {Orientation} orientation
   * @param {Component[]} components - One for each label that an image may have, or one
   *     without a label.
   * @param {Size3} size - Size of an image.
   * @param {Choices} choices - Noise that chooses among particles.
   * @param {(size: number) => Particles} particlesOf - Makes particles, at most so
   *     many.
   * @param {number} most - Images that can be scored side by side.
   */
  constructor(orientation, components, size, choices, particlesOf, most) {
    this.orientation = orientation;
    this.components = components;
    this.size = size;
    this.choices = choices;
    this.particlesOf = particlesOf;
    this.most = most;
    this.logPriors = components.map(({ prior }) => log(prior));
    this.hasLabels = components[0].label !== undefined;
  }

  /**
   * Return the particles of this network, at least `count`. They are in use until a
   * sweep is finished.
   */
  particles(count = this.most) {
    if (!this.#particles || this.#particles.size < count)
      this.#particles = this.particlesOf(Math.max(count, this.most));
    return this.#particles;
  }

  /**
   * Return upright maps in the network's orientation.
   *
   * @param {Uint8Array} upright
   */
  turned(upright) {
    return turn(upright, this.size.height, this.size.width, this.orientation);
  }

  /**
   * Return maps in the network's orientation as upright ones.
   *
   * @param {Uint8Array} turned
   */
  upright(turned) {
    return turnBack(turned, this.size.height, this.size.width, this.orientation);
  }

  /**
   * Return a new sweep of particles through a hole.
   *
   * With `image`, the sweep is conditional: the image is the first particle, and all
   * pixels outside the hole are given by it.
   *
   * @param {Given} given
   * @param {number} count - Number of particles.
   * @param {number} number - Number of the sweep; its noise depends on it.
   * @param {Uint8Array} hole - Upright mask of the pixels to draw.
   * @param {Labels & {image?: Uint8Array, passed?: Listener, toEnd?: boolean}} [options] -
   *     `labels` of the particles; `image`, upright; `passed`, called with upright
   *     particles on their way; `toEnd`, true to weigh all given pixels also if only
   *     one particle is left behind the hole.
   */
  sweep(given, count, number, hole, { image, labels, passed, toEnd } = {}) {
    const known = this.turned(image ?? given.known);
    const place = { ...given, known, keep: this.turned(inverted(hole)) };
    /** @type {Listener | undefined} */
    const listener =
      passed && (({ images, weights }, where) => passed(this.#righted(images, weights), this.upright(where)));
    const options = { choices: this.choices, number, retained: image && known, labels, passed: listener, toEnd };
    return new Sweep(this.particles(count), place, this.size, count, options);
  }

  /**
   * Return weighted images upright.
   *
   * @param {Uint8Array[]} images
   * @param {number[]} weights
   */
  #righted(images, weights) {
    return { images: images.map((each) => this.upright(each)), weights };
  }

  /**
   * Return ln p of images given each label: (K, N).
   *
   * @param {Uint8Array[]} images - Upright images.
   * @param {number} temperature
   * @param {Uint8Array} [where] - Mask, in the network's orientation, of the pixels
   *     that count. Default: all.
   */
  logP(images, temperature, where) {
    const { height, width } = this.size;
    const keep = new Uint8Array(height * width).fill(1);
    const weighed = where ?? keep;
    const pairs = this.components.flatMap(({ label }) => {
      return images.map((each) => ({ noise: 0n, known: this.turned(each), keep, label }));
    });
    /** @type {number[]} */
    const found = [];
    const particles = this.particles();
    for (let first = 0; first < pairs.length; first += this.most) {
      particles.begin(pairs.slice(first, first + this.most), weighed, { seed: 0n, sample: 0, temperature });
      found.push(...particles.advance(weighed.lastIndexOf(1) + 1));
    }
    return this.components.map((_, k) => found.slice(k * images.length, (k + 1) * images.length));
  }

  /**
   * Return ln of prior and probability of the given pixels before the hole's first
   * pixel in this order, for each label.
   *
   * @param {Given} given
   */
  logPBefore({ known, keep, temperature }) {
    const first = firstHole(this.turned(keep));
    if (!first) return this.logPriors;
    const before = Uint8Array.from(keep, (_, place) => Number(place < first));
    return this.logP([known], temperature, before).map(([each], k) => each + this.logPriors[k]);
  }
}

/**
 * The members of a model, all equally likely, and its guides: networks that propose
 * images and do not change probabilities.
 *
 * A `Target` makes one. `ways` are the members, `proposers` the members and then the
 * guides that are no members. M members with K labels each (K = 1 without labels) have
 * M x K components: component m * K + k is member m with label k. `logP` and `proposed`
 * score images with the ways' particles, so no sweep may be running; they return
 * natural logarithms. `ofMembers` and `whole` combine such logarithms. `wayOf` splits
 * the index of a component into those of its member and label.
 */
export class Mixture {
  /**
   * @param {Way[]} ways - One for each member.
   * @param {Way[]} guides - One for each guide; a guide that is a member is the same
   *     object as the member's way.
   */
  constructor(ways, guides) {
    this.ways = ways;
    this.proposers = [...ways, ...guides.filter((guide) => !ways.includes(guide))];
    this.isGuided = guides.length > 0;
    this.labels = ways[0].components.length;
  }

  /**
   * Return ln of each component's prior and of its probability of each image: (M * K,
   * N).
   *
   * @param {Uint8Array[]} images
   * @param {number} temperature
   */
  logP(images, temperature) {
    return this.ways.flatMap((way) => {
      return way.logP(images, temperature).map((row, k) => row.map((each) => each + way.logPriors[k]));
    });
  }

  /**
   * Return ln p of images by proposer k: (N,).
   *
   * @param {number} k
   * @param {Uint8Array[]} images
   * @param {number[][]} logP - ln of prior and probability of these images by all
   *     components.
   * @param {number} temperature
   */
  proposed(k, images, logP, temperature) {
    if (k < this.ways.length) return this.ofMembers(logP)[k];
    const way = this.proposers[k];
    return summed(way.logP(images, temperature).map((row, label) => row.map((each) => each + way.logPriors[label])));
  }

  /**
   * Return the indices of a component's member and of its label.
   *
   * @param {number} component
   */
  wayOf(component) {
    return [Math.floor(component / this.labels), component % this.labels];
  }

  /**
   * Return ln p of images by each member, (M, N), from that of all components, (M * K,
   * N).
   *
   * @param {number[][]} logP
   */
  ofMembers(logP) {
    return this.ways.map((_, m) => summed(logP.slice(m * this.labels, (m + 1) * this.labels)));
  }

  /**
   * Return ln p of images by the model, (N,), from that of all components, (M * K, N).
   *
   * @param {number[][]} logP
   */
  whole(logP) {
    return summed(logP).map((each) => each - logCount(this.ways));
  }
}

/**
 * Return ln of the sum over the rows of a matrix of logarithms.
 *
 * @param {number[][]} logP - At least one row, all of the same length: (N, B).
 * @returns {number[]} One logarithm for each column: (B,).
 */
export const summed = (logP) => logP[0].map((_, b) => logSum(logP.map((row) => row[b])));

/**
 * Return ln p of images by the even mixture of members: the mean of the members'
 * probabilities.
 *
 * @param {number[][]} logP - ln p of each image by each member: (M, N).
 * @param {number} [but] - Index of a member whose probabilities count as 0. The divisor
 *     is M all the same.
 * @returns {number[]} One logarithm for each image: (N,).
 */
export function mixed(logP, but) {
  return summed(logP.filter((_, m) => m !== but)).map((each) => each - logCount(logP));
}
