/** A model of several distributions, as a completion sees it: model_core/posterior/mixture.py. */

/** @import {Orientation, Size3} from "../types" */
/** @import {Component, Given, Labels, Particle, Took} from "./types" */

/** @import {Choices} from "./noise.js" */
/** @import {Particles} from "./particles.js" */

import { turn, turnBack } from "../orientation.js";
import { log, logCount, logSum } from "../elementary.js";
import { firstHole, inverted } from "./plan.js";
import { Sweep } from "./smc.js";

/** A member's way through an image. */
export class Way {
  /** @type {Particles | undefined} */
  #particles;

  /**
   * @param {Orientation} orientation
   * @param {Component[]} components - one for each label that an image may have, or one without
   * @param {Size3} size
   * @param {Choices} choices
   * @param {(size: number) => Particles} particlesOf
   * @param {number} most - images that it can weigh side by side
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

  /** What draws so many in this order; nobody else's until a sweep is finished. */
  particles(count = this.most) {
    if (!this.#particles || this.#particles.size < count)
      this.#particles = this.particlesOf(Math.max(count, this.most));
    return this.#particles;
  }

  /** @param {Uint8Array} upright */
  turned(upright) {
    return turn(upright, this.size.height, this.size.width, this.orientation);
  }

  /** @param {Uint8Array} turned */
  upright(turned) {
    return turnBack(turned, this.size.height, this.size.width, this.orientation);
  }

  /**
   * Particles through a hole: from what is given, or conditional on an image, the first particle, of which all else is.
   *
   * @param {Given} given
   * @param {number} count
   * @param {number} number - of the sweep
   * @param {Uint8Array} hole
   * @param {Labels & {image?: Uint8Array, passed?: Took}} [options] - passed hears of them the right way up
   */
  sweep(given, count, number, hole, { image, labels, passed } = {}) {
    const known = this.turned(image ?? given.known);
    const place = { ...given, known, keep: this.turned(inverted(hole)) };
    /** @type {Took | undefined} */
    const told =
      passed && (({ images, weights }, where) => passed(this.#righted(images, weights), this.upright(where)));
    const options = { choices: this.choices, number, retained: image && known, labels, passed: told };
    return new Sweep(this.particles(count), place, this.size, count, options);
  }

  /**
   * @param {Uint8Array[]} images
   * @param {number[]} weights
   */
  #righted(images, weights) {
    return { images: images.map((each) => this.upright(each)), weights };
  }

  /**
   * ln p of whole images given each label (K, N), or of their pixels `where` in this order.
   *
   * @param {Uint8Array[]} images
   * @param {number} temperature
   * @param {Uint8Array} [where]
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
   * ln p of each label and of what is given before the hole's first pixel in this order.
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

/** The members of a model, each as likely as the others, and guides, which propose images and have no say. */
export class Mixture {
  /**
   * @param {Way[]} ways
   * @param {Way[]} guides - some may be members' own ways
   */
  constructor(ways, guides) {
    this.ways = ways;
    this.proposers = [...ways, ...guides.filter((guide) => !ways.includes(guide))];
    this.isGuided = guides.length > 0;
    this.labels = ways[0].components.length;
  }

  /**
   * (M * K, N): ln of each component's prior and of what it says of each image.
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
   * ln p (N,) by proposer k of images of which the components say logP (K, N).
   *
   * @param {number} k
   * @param {Uint8Array[]} images
   * @param {number[][]} logP
   * @param {number} temperature
   */
  proposed(k, images, logP, temperature) {
    if (k < this.ways.length) return this.ofMembers(logP)[k];
    const way = this.proposers[k];
    return summed(way.logP(images, temperature).map((row, label) => row.map((each) => each + way.logPriors[label])));
  }

  /**
   * A component's member, and the number of its label.
   *
   * @param {number} component
   */
  wayOf(component) {
    return [Math.floor(component / this.labels), component % this.labels];
  }

  /**
   * ln p of each member (M, N), from that of its components (M * K, N).
   *
   * @param {number[][]} logP
   */
  ofMembers(logP) {
    return this.ways.map((_, m) => summed(logP.slice(m * this.labels, (m + 1) * this.labels)));
  }

  /**
   * ln p of the model (N,), from that of all components (M * K, N).
   *
   * @param {number[][]} logP
   */
  whole(logP) {
    return summed(logP).map((each) => each - logCount(this.ways));
  }
}

/**
 * ln of the sum over the first dimension: (N, B) -> (B,).
 *
 * @param {number[][]} logP
 */
export const summed = (logP) => logP[0].map((_, b) => logSum(logP.map((row) => row[b])));

/**
 * ln p of the mixture (N,), from what its members say (M, N).
 *
 * @param {number[][]} logP
 * @param {number} [but] - leave out this member's part in it
 */
export function mixed(logP, but) {
  return summed(logP.filter((_, m) => m !== but)).map((each) => each - logCount(logP));
}
