/**
 * A sweep of particles through a hole, from the first row to the last: sequential Monte
 * Carlo.
 *
 * As in model_core/posterior/smc.py. With a retained image the sweep is conditional:
 * that image takes part as the first particle and is never dropped. The images of one
 * such sweep after another are a Markov chain whose stationary distribution is p(hole |
 * all given pixels) for any number of particles (particle Gibbs: Andrieu, Doucet and
 * Holenstein, 2010).
 */

/** @import {Given, Particle, Size, Weighted} from "./types" */

/** @import {Choices} from "./noise.js" */
/** @import {Particles} from "./particles.js" */

import { Island } from "./island.js";
import { particleNoise } from "./noise.js";
import { firstHole, rowAndColumn, stops, withRowEnds } from "./plan.js";

/** Rows behind the hole that say most of what the given pixels say about its particles. */
const ROWS_BEHIND = 2;
/** Particles that continue from there, at most: all their remaining pixels are given. */
const LAST = 4;

/**
 * One pass of particles through a hole, which ends with one image.
 *
 * `Way.sweep` makes one. `steps()` runs it to the end and yields how much is done; then
 * `images` are the remaining particles, `image` the one chosen by weight, and `label`
 * its label. `island` holds their weights and the estimate of p(given). Until it is
 * finished nobody else may use its particles. It raises EngineError if the model finds
 * the given pixels impossible. Images are in the network's orientation.
 */
export class Sweep {
  /** The image chosen at the end. @type {Uint8Array | undefined} */
  image;
  /** The particles that remain at the end. @type {Uint8Array[]} */
  images = [];
  /** Label of the image. @type {number | undefined} */
  label;
  #next = 0;

  /**
   * @param {Particles} particles - Particles that nobody else uses until the sweep is
   *     finished.
   * @param {Given} hole - Given pixels and noise, in the network's orientation.
   * @param {Size} size
   * @param {number} count - Number of particles.
   * @param {Object} options
   * @param {Choices} options.choices
   * @param {number} options.number - Number of this sweep among those of the image; its
   *     noise depends on it.
   * @param {Uint8Array} [options.retained] - Image that takes part as the first
   *     particle.
   * @param {number[]} [options.labels] - Label of each particle, if the model has
   *     labels.
   * @param {(draws: Weighted, where: Uint8Array) => void} [options.passed] - Called
   *     with the particles and a mask of the hole pixels that they have just drawn.
   * @param {boolean} [options.toEnd] - True to weigh all given pixels also if only one
   *     particle is left behind the hole, so that `island.evidence()` is an estimate
   *     for all of them.
   */
  constructor(particles, hole, size, count, { choices, number, retained, labels, passed, toEnd = false }) {
    this.particles = particles;
    this.hole = hole;
    this.size = size;
    this.choices = choices;
    this.number = number;
    this.labels = labels;
    this.passed = passed;
    this.reported = hole.keep.slice();
    this.island = new Island(count, retained !== undefined);
    this.holeEnds = Math.max(0, hole.keep.lastIndexOf(0)) + 1;
    const compared = stops(hole.keep, size);
    this.compared = new Set(compared);
    // `advance` returns ln p since its last stop, so it counts at a pause, too.
    const weighed = retained ? [...compared, this.holeEnds] : compared;
    this.weighed = new Set(weighed);
    this.stops = withRowEnds(hole.keep, size, weighed);
    this.isMerged = !retained;
    this.toEnd = toEnd;
    this.#begin(count, retained);
  }

  /**
   * Open the particles. Only given pixels behind the hole's first are weighed.
   *
   * @param {number} count
   * @param {Uint8Array} [retained]
   */
  #begin(count, retained) {
    const { known, keep } = this.hole;
    /** @type {Particle[]} */
    const opened = Array.from({ length: count }, (_, i) => {
      return { noise: particleNoise(this.number, i), known, keep, label: this.labels?.[i] };
    });
    if (retained) opened[0] = { ...opened[0], known: retained, keep: new Uint8Array(keep.length).fill(1) };
    const first = firstHole(keep);
    const weighed = keep.map((isGiven, place) => Number(isGiven && place >= first));
    this.particles.begin(opened, weighed, this.hole);
  }

  /** Return true if the image is chosen. */
  get isFinished() {
    return this.image !== undefined;
  }

  /** Return how much of the work is done, 0 to 1. */
  get done() {
    return this.isFinished ? 1 : this.#next / (this.stops.length + 1);
  }

  /** Run to the end; yield after each stop how much of the work is done. */
  *steps() {
    while (!this.isFinished) {
      this.step();
      yield this.done;
    }
  }

  /** Continue to the next stop, or to the end. */
  step() {
    if (this.#next === this.stops.length) {
      this.particles.advance(this.hole.keep.length);
      return this.#draw();
    }
    const stop = this.stops[this.#next];
    const logP = this.particles.advance(stop);
    if (this.weighed.has(stop)) this.island.weigh(logP);
    this.#report(stop);
    if (this.compared.has(stop)) this.#compare(stop);
    this.#next += 1;
    if (stop >= this.holeEnds && !this.isMerged) this.#merge();
  }

  /**
   * Merge particles that have drawn the same pixels: behind the hole, all that follows
   * is given and equal.
   */
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
    if (left.length === 1 && !this.toEnd) this.#draw();
  }

  /**
   * Report the hole pixels drawn since the last stop, before resampling makes particles
   * identical.
   *
   * @param {number} stop - Number of pixels before the stop.
   */
  #report(stop) {
    if (!this.passed) return;
    const since = this.reported.map((isReported, place) => Number(!isReported && place < stop));
    if (!since.includes(1)) return;
    this.passed({ images: this.particles.images(), weights: this.island.weights }, since);
    this.reported = this.reported.map((isReported, place) => isReported | since[place]);
  }

  /**
   * Resample if few particles count. Behind the hole, continue with few particles.
   *
   * @param {number} stop
   */
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

  /**
   * Keep the labels of the particles that remain.
   *
   * @param {number[]} parents
   */
  #follow(parents) {
    const { labels } = this;
    if (labels) this.labels = parents.map((parent) => labels[parent]);
  }

  /**
   * Return numbers in [0, 1) that choose among the particles at a stop.
   *
   * @param {number} stop
   */
  #uniforms(stop) {
    const [y, x] = rowAndColumn(stop, this.size.width);
    return this.choices.numbers(this.hole, this.number, this.island.size, y, x);
  }

  /** Choose the image by weight. */
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
