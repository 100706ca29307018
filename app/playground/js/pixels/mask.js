/** A number for each pixel, with the way back: whether it is to be filled, what is known of it, or its colour. Knows no element. */

/** @import {Size} from "../types" */

const MOST_STEPS = 100;
/** Of a large picture fewer are kept. */
const MOST_KEPT = 2 ** 24;

/** @template {Uint8Array | Uint32Array} [T=Uint8Array] */
export class Mask {
  /** @param {Size} size @param {T} [hole] */
  constructor({ width, height }, hole = /** @type {T} */ (new Uint8Array(width * height))) {
    this.width = width;
    this.height = height;
    /** 1 = fill, row by row. */
    this.hole = hole;
  }

  /** @type {T[]} */
  #past = [];
  /** @type {T[]} */
  #undone = [];

  get count() {
    let count = 0;
    for (let i = 0; i < this.hole.length; i += 1) if (this.hole[i] === 1) count += 1;
    return count;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#undone.length > 0;
  }

  /** Remember how it is now: the next changes are one step back. */
  mark() {
    this.#undone = [];
    this.#past.push(/** @type {T} */ (this.hole.slice()));
    if (this.#past.length > Math.min(MOST_STEPS, MOST_KEPT / this.hole.length)) this.#past.shift();
  }

  undo() {
    this.#step(this.#past, this.#undone);
  }

  redo() {
    this.#step(this.#undone, this.#past);
  }

  /** @param {T[]} from @param {T[]} to */
  #step(from, to) {
    const next = from.pop();
    if (!next) return;
    to.push(this.hole);
    this.hole = next;
  }

  /** The same hole in a picture of another size, and nothing to take back. @param {Size} size */
  sized(size) {
    const hole = Uint32Array.from({ length: size.width * size.height }, (_, i) => {
      const x = Math.floor((((i % size.width) + 0.5) / size.width) * this.width);
      const y = Math.floor(((Math.floor(i / size.width) + 0.5) / size.height) * this.height);
      return this.hole[y * this.width + x];
    });
    return new Mask(size, /** @type {T} */ (hole));
  }

  /** @param {(x: number, y: number, value: number) => number} rule */
  setAll(rule) {
    this.mark();
    this.hole.forEach((value, i) => (this.hole[i] = rule(i % this.width, Math.floor(i / this.width), value)));
  }

  /**
   * A round dab. `size` is its diameter, all in pixels; x and y may lie between pixels.
   *
   * @param {number} x
   * @param {number} y
   * @param {number} size
   * @param {number} fill 1 = it is to be filled
   */
  dab(x, y, size, fill) {
    const radius = size / 2;
    this.#each(x - radius, y - radius, x + radius, y + radius, (column, row) => {
      const isInside = Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius;
      const isUnder = column === Math.floor(x) && row === Math.floor(y);
      if (isInside || isUnder) this.hole[row * this.width + column] = fill;
    });
  }

  /** Dabs along a line. @param {number[]} from @param {number[]} to @param {number} size @param {number} fill */
  stroke(from, to, size, fill) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let step = 0; step <= steps; step += 1) {
      const share = step / steps;
      this.dab(from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]), size, fill);
    }
  }

  /** One pixel along both sides of a stroke, where there is `over` now; its ends stay open. @param {number[]} from @param {number[]} to @param {number} size @param {number} fill @param {number} over */
  sides(from, to, size, fill, over) {
    const [right, down] = [to[0] - from[0], to[1] - from[1]];
    const length = Math.hypot(right, down);
    const reach = size / 2 + 1;
    const [left, top] = [0, 1].map((axis) => Math.min(from[axis], to[axis]) - reach);
    this.#each(left, top, left + Math.abs(right) + 2 * reach, top + Math.abs(down) + 2 * reach, (x, y) => {
      const [across, below] = [x + 0.5 - from[0], y + 0.5 - from[1]];
      const along = (across * right + below * down) / length;
      const aside = Math.abs(across * down - below * right) / length;
      const at = y * this.width + x;
      if (along >= 0 && along <= length && aside <= reach && this.hole[at] === over) this.hole[at] = fill;
    });
  }

  /** Everything between two corners. @param {number[]} from @param {number[]} to @param {number} fill */
  rectangle(from, to, fill) {
    const [left, right] = [from[0], to[0]].sort((a, b) => a - b);
    const [top, bottom] = [from[1], to[1]].sort((a, b) => a - b);
    this.#each(left, top, right, bottom, (x, y) => (this.hole[y * this.width + x] = fill));
  }

  /**
   * @param {number} left
   * @param {number} top
   * @param {number} right
   * @param {number} bottom
   * @param {(x: number, y: number) => void} visit
   */
  #each(left, top, right, bottom, visit) {
    for (let y = Math.max(0, Math.floor(top)); y <= Math.min(this.height - 1, Math.floor(bottom)); y += 1) {
      for (let x = Math.max(0, Math.floor(left)); x <= Math.min(this.width - 1, Math.floor(right)); x += 1) visit(x, y);
    }
  }
}
