/** A sweep of particles through a hole, from the first row to the last: model_core/posterior/smc.py. */

/** @import {Given, Particle, Size, Weighted} from "./types" */

/** @import {Choices} from "./noise.js" */
/** @import {Particles} from "./particles.js" */

import { Island } from "./island.js";
import { particleNoise } from "./noise.js";
import { firstHole, rowAndColumn, stops, withRowEnds } from "./plan.js";

const ROWS_BEHIND = 2;
const LAST = 4;

/** An island of particles on its way through a hole to one image. */
export class Sweep {
  /** @type {Uint8Array | undefined} - drawn by the weights at the end */
  image;
  /** @type {Uint8Array[]} - all particles that are left at the end */
  images = [];
  /** @type {number | undefined} - of the image */
  label;
  #next = 0;

  /**
   * @param {Particles} particles - nobody else's until the sweep is finished
   * @param {Given} hole - as a member sees it
   * @param {Size} size
   * @param {number} count - of the particles
   * @param {Object} options
   * @param {Choices} options.choices
   * @param {number} options.number - of this sweep among those of the image, for its noise
   * @param {Uint8Array} [options.retained] - an image that takes part, as the first
   * @param {number[]} [options.labels] - the particles', where images have some
   * @param {(draws: Weighted, where: Uint8Array) => void} [options.passed]
   */
  constructor(particles, hole, size, count, { choices, number, retained, labels, passed }) {
    this.particles = particles;
    this.hole = hole;
    this.size = size;
    this.choices = choices;
    this.number = number;
    this.labels = labels;
    this.passed = passed;
    this.heard = hole.keep.slice();
    this.island = new Island(count, retained !== undefined);
    this.holeEnds = Math.max(0, hole.keep.lastIndexOf(0)) + 1;
    const compared = stops(hole.keep, size);
    this.compared = new Set(compared);
    this.stops = withRowEnds(hole.keep, size, retained ? [...compared, this.holeEnds] : compared);
    this.isMerged = !retained;
    this.#begin(count, retained);
  }

  /**
   * @param {number} count
   * @param {Uint8Array} [retained]
   */
  #begin(count, retained) {
    const { known, keep } = this.hole;
    /** @type {Particle[]} */
    const begun = Array.from({ length: count }, (_, i) => {
      return { noise: particleNoise(this.number, i), known, keep, label: this.labels?.[i] };
    });
    if (retained) begun[0] = { ...begun[0], known: retained, keep: new Uint8Array(keep.length).fill(1) };
    const first = firstHole(keep);
    const weighed = keep.map((isGiven, place) => Number(isGiven && place >= first));
    this.particles.begin(begun, weighed, this.hole);
  }

  get isFinished() {
    return this.image !== undefined;
  }

  /** How much of the work is done, 0 to 1. */
  get done() {
    return this.isFinished ? 1 : this.#next / (this.stops.length + 1);
  }

  /** Go on to the end: after each stop, how much of the work is done. */
  *steps() {
    while (!this.isFinished) {
      this.step();
      yield this.done;
    }
  }

  /** Go on to the next stop, or to the end. */
  step() {
    if (this.#next === this.stops.length) {
      this.particles.advance(this.hole.keep.length);
      return this.#draw();
    }
    const stop = this.stops[this.#next];
    const logP = this.particles.advance(stop);
    if (this.compared.has(stop)) this.island.weigh(logP);
    this.#tell(stop);
    if (this.compared.has(stop)) this.#compare(stop);
    this.#next += 1;
    if (stop >= this.holeEnds && !this.isMerged) this.#merge();
  }

  /** Go on with one of those particles that have drawn the same: they are given the same from here on. */
  #merge() {
    this.isMerged = true;
    /** @type {Map<string, number>} */
    const first = new Map();
    const pixels = this.hole.keep.length;
    const groups = this.particles.images().map((image, i) => {
      const key = `${this.labels?.[i]} ${image.filter((_, at) => !this.hole.keep[at % pixels])}`;
      if (!first.has(key)) first.set(key, i);
      return /** @type {number} */ (first.get(key));
    });
    const left = this.island.merge(groups);
    this.particles.narrow(left);
    this.#follow(left);
    if (left.length === 1) this.#draw();
  }

  /** @param {number} stop - tell of the hole pixels up to here */
  #tell(stop) {
    if (!this.passed) return;
    const since = this.heard.map((isHeard, place) => Number(!isHeard && place < stop));
    if (!since.includes(1)) return;
    this.passed({ images: this.particles.images(), weights: this.island.weights }, since);
    this.heard = this.heard.map((isHeard, place) => isHeard | since[place]);
  }

  /** @param {number} stop */
  #compare(stop) {
    const [row, last] = [stop, this.holeEnds].map((each) => rowAndColumn(each, this.size.width)[0]);
    if (stop < this.holeEnds) {
      if (!this.island.isPoor) return;
      const parents = this.island.resample(this.#uniforms(stop));
      this.particles.copy(parents);
      this.#follow(parents);
    } else if (row >= last + ROWS_BEHIND && this.island.size > LAST) {
      const left = this.island.narrow(this.#uniforms(stop), LAST);
      this.particles.narrow(left);
      this.#follow(left);
    }
  }

  /** @param {number[]} parents */
  #follow(parents) {
    const { labels } = this;
    if (labels) this.labels = parents.map((parent) => labels[parent]);
  }

  /** @param {number} stop */
  #uniforms(stop) {
    const [y, x] = rowAndColumn(stop, this.size.width);
    return this.choices.numbers(this.hole, this.number, this.island.size, y, x);
  }

  /** Draw the image by the weights. */
  #draw() {
    const { known, keep } = this.hole;
    const [uniform] = this.choices.numbers(this.hole, this.number, 1, this.size.height, 0);
    const images = this.particles.images();
    this.images = images.map((image) => image.map((value, at) => (keep[at % keep.length] ? known[at] : value)));
    const drawn = this.island.drawn(uniform);
    this.image = this.images[drawn];
    this.label = this.labels?.[drawn];
  }
}
