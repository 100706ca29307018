/**
 * Particles of one network in the slots of a stage, as in
 * model_core/posterior/particles.py.
 */

/** @import {Drawing} from "../types" */
/** @import {Noise, Particle, Size} from "./types" */

/** @import {Slots} from "./slots.js" */

/**
 * Images that one network draws side by side, each with its own noise: particles.
 *
 * A `Way` makes one, with a stage of its own. `begin` replaces all images; `advance`
 * draws them up to a pixel; `copy` and `narrow` replace or drop particles after
 * resampling; `images` returns their values in the network's orientation.
 */
export class Particles {
  #stage;
  #width;
  /** @type {number[]} */
  #slots = [];
  /** @type {number[]} */
  #logP = [];
  #stop = 0;

  /**
   * @param {Slots} stage - Slots that nobody else uses.
   * @param {number} size - Number of particles, at most.
   */
  constructor(stage, size) {
    this.#stage = stage;
    this.#width = stage.image.width;
    this.size = size;
  }

  /**
   * Replace all images by new particles, of which nothing is drawn yet.
   *
   * @param {Particle[]} particles
   * @param {Uint8Array} weighed - Mask of the given pixels whose ln p is summed.
   * @param {Noise & {temperature: number}} of - Seed and number of the image, and the
   *     temperature.
   */
  begin(particles, weighed, { seed, sample, temperature }) {
    this.#slots = particles.map((_, slot) => slot);
    this.#logP = particles.map(() => 0);
    this.#stop = 0;
    this.#open(particles.map((particle) => ({ ...particle, weighed, seed, sample, temperature })));
  }

  /**
   * Open all particles. Their leading given rows are computed once for each label, in
   * the last particle with that label; the others copy the result.
   *
   * @param {(Drawing & Particle & {weighed: Uint8Array})[]} drawings
   */
  #open(drawings) {
    const rowsOf = drawings.map((drawing) => givenRows(drawing, this.#stage.image));
    const rows = rowsOf[rowsOf.length - 1];
    const leaders = new Map(
      drawings.flatMap(({ label }, slot) => (rows && rowsOf[slot] === rows ? [[label, slot]] : [])),
    );
    for (const slot of leaders.values()) this.#stage.open(slot, drawings[slot]);
    if (rows) this.#stage.drawUpTo([...leaders.values()], rows * this.#width);
    drawings.forEach((drawing, slot) => {
      const leader = rowsOf[slot] === rows ? leaders.get(drawing.label) : undefined;
      if (leader === undefined) this.#stage.open(slot, drawing);
      else if (slot !== leader) this.#stage.fork(leader, slot, drawing, rows);
    });
  }

  /**
   * Draw every image up to a stop; return ln p of the weighed pixels that each passed
   * since the last stop.
   *
   * @param {number} stop - Number of pixels before the stop, row by row.
   */
  advance(stop) {
    this.#stage.drawUpTo(this.#slots, stop);
    this.#stop = stop;
    const total = this.#slots.map((slot) => this.#stage.weighed(slot));
    const passed = total.map((each, i) => each - this.#logP[i]);
    this.#logP = total;
    return passed;
  }

  /**
   * Let image i continue from where image parents[i] is. A parent must have itself as
   * its parent.
   *
   * @param {number[]} parents
   */
  copy(parents) {
    parents.forEach((parent, i) => {
      if (parent !== i) this.#stage.copy(this.#slots[parent], this.#slots[i], this.#stop);
    });
  }

  /**
   * Drop all images but these.
   *
   * @param {number[]} left - Indices of the images that remain, in their new order.
   */
  narrow(left) {
    this.#slots = left.map((i) => this.#slots[i]);
    this.#logP = left.map((i) => this.#logP[i]);
  }

  /** Return the values (C, H, W) of each image in the network's orientation. */
  images() {
    return this.#slots.map((slot) => this.#stage.values(slot));
  }

  /**
   * Yield the prediction of each variable of whole images: index of the pixel, index of
   * the image, colour, logits.
   *
   * @param {Particle[]} images
   * @returns {Generator<[number, number, number, ArrayLike<number>]>}
   */
  *predicted(images) {
    const every = new Uint8Array(images[0].keep.length).fill(1);
    this.begin(images, every, { seed: 0n, sample: 0, temperature: 1 });
    for (let place = 0; place < every.length; place++) {
      this.#stage.drawUpTo(this.#slots, place + 1);
      for (const i of images.keys()) {
        for (const [colour, logits] of this.#stage.logits(i).entries()) yield [place, i, colour, logits];
      }
    }
  }
}

/**
 * Return the number of leading rows that are given and not weighed, but at most all
 * rows but one.
 *
 * @param {{keep: Uint8Array, weighed: Uint8Array}} drawing
 * @param {Size} size
 */
function givenRows({ keep, weighed }, { height, width }) {
  const first = keep.findIndex((isGiven, place) => !isGiven || weighed[place] > 0);
  return Math.min(height - 1, first < 0 ? height : Math.floor(first / width));
}
