/** Particles in the slots of a stage: model_core/posterior/particles.py. */

/** @import {Drawing} from "../types" */
/** @import {Noise, Particle, Size} from "./types" */

/** @import {Slots} from "./slots.js" */

export class Particles {
  #stage;
  #width;
  /** @type {number[]} */
  #slots = [];
  /** @type {number[]} */
  #logP = [];
  #stop = 0;

  /**
   * @param {Slots} stage - nobody else's
   * @param {number} size - how many there may be
   */
  constructor(stage, size) {
    this.#stage = stage;
    this.#width = stage.image.width;
    this.size = size;
  }

  /**
   * Forget what was drawn before, and begin these.
   *
   * @param {Particle[]} particles
   * @param {Uint8Array} weighed - given pixels whose ln p is asked for
   * @param {Noise & {temperature: number}} of
   */
  begin(particles, weighed, { seed, sample, temperature }) {
    this.#slots = particles.map((_, slot) => slot);
    this.#logP = particles.map(() => 0);
    this.#stop = 0;
    this.#open(particles.map((particle) => ({ ...particle, weighed, seed, sample, temperature })));
  }

  /**
   * Work off the rows before the hole in the last slot of each label; the others take them over.
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
   * Draw every image up to a stop; returns ln p of the weighed pixels that were passed since the last.
   *
   * @param {number} stop
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
   * Image i goes on from where image parents[i] is; parents keep their own places.
   *
   * @param {number[]} parents
   */
  copy(parents) {
    parents.forEach((parent, i) => {
      if (parent !== i) this.#stage.copy(this.#slots[parent], this.#slots[i], this.#stop);
    });
  }

  /** @param {number[]} left - with which images to go on, in this order */
  narrow(left) {
    this.#slots = left.map((i) => this.#slots[i]);
    this.#logP = left.map((i) => this.#logP[i]);
  }

  images() {
    return this.#slots.map((slot) => this.#stage.values(slot));
  }

  /**
   * What is predicted of each pixel of whole images, one after the other: place, image, colour, and the logits.
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
 * How many leading rows are given whole, without a weighed pixel; the last row is never counted.
 *
 * @param {{keep: Uint8Array, weighed: Uint8Array}} drawing
 * @param {Size} size
 */
function givenRows({ keep, weighed }, { height, width }) {
  const first = keep.findIndex((isGiven, place) => !isGiven || weighed[place] > 0);
  return Math.min(height - 1, first < 0 ? height : Math.floor(first / width));
}
