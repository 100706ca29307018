/**
 * A number for each pixel of a picture, such as "fill", "given" or an ink, with undo
 * and redo.
 */

/** @import {Size} from "../types" */

/** Steps that can be undone, at most. */
const MOST_STEPS = 100;
/**
 * Pixels that all undo steps hold together, at most: large pictures have fewer steps.
 */
const MOST_KEPT = 2 ** 24;

/**
 * Numbers of the pixels of a picture, row by row, with undo and redo.
 *
 * The pad and the score map make one for each picture; 1 means "fill", other numbers
 * mean what their user decides. `hole` is the current array, which undo and redo
 * replace. Drawing methods (`dab`, `stroke`, `sides`, `rectangle`) change `hole` and
 * ignore pixels outside the picture; call `mark` before them to make them one undo
 * step. `setAll` marks by itself.
 *
 * @template {Uint8Array | Uint32Array} [T=Uint8Array]
 */
export class Mask {
  /**
   * @param {Size} size
   * @param {T} [hole] - Numbers row by row, which are not copied. Default: zeros.
   */
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

  /** Return how many pixels have the number 1. */
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

  /** Remember the present state as an undo step, and forget all redo steps. */
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

  /**
   * Move one state from one list to the other.
   *
   * @param {T[]} from
   * @param {T[]} to
   */
  #step(from, to) {
    const next = from.pop();
    if (!next) return;
    to.push(this.hole);
    this.hole = next;
  }

  /**
   * Return a mask of another size with the same shape in it and no undo steps.
   *
   * @param {Size} size
   */
  sized(size) {
    const hole = Uint32Array.from({ length: size.width * size.height }, (_, i) => {
      const x = Math.floor((((i % size.width) + 0.5) / size.width) * this.width);
      const y = Math.floor(((Math.floor(i / size.width) + 0.5) / size.height) * this.height);
      return this.hole[y * this.width + x];
    });
    return new Mask(size, /** @type {T} */ (hole));
  }

  /**
   * Replace the number of every pixel, as one undo step.
   *
   * @param {(x: number, y: number, value: number) => number} rule - Returns the new
   *     number of a pixel from its place and its number.
   */
  setAll(rule) {
    this.mark();
    this.hole.forEach((value, i) => (this.hole[i] = rule(i % this.width, Math.floor(i / this.width), value)));
  }

  /**
   * Set the pixels of a disc, and at least the one under its centre.
   *
   * @param {number} x - Centre in pixels; it may lie between pixels.
   * @param {number} y - Centre in pixels.
   * @param {number} size - Diameter in pixels.
   * @param {number} fill - The new number.
   */
  dab(x, y, size, fill) {
    const radius = size / 2;
    this.#each(x - radius, y - radius, x + radius, y + radius, (column, row) => {
      const isInside = Math.hypot(column + 0.5 - x, row + 0.5 - y) <= radius;
      const isUnder = column === Math.floor(x) && row === Math.floor(y);
      if (isInside || isUnder) this.hole[row * this.width + column] = fill;
    });
  }

  /**
   * Set the pixels under a line, as discs at steps of half a pixel.
   *
   * @param {number[]} from - [x, y] in pixels.
   * @param {number[]} to - [x, y] in pixels.
   * @param {number} size - Width of the line in pixels.
   * @param {number} fill
   */
  stroke(from, to, size, fill) {
    const steps = Math.max(1, Math.ceil(2 * Math.hypot(to[0] - from[0], to[1] - from[1])));
    for (let step = 0; step <= steps; step += 1) {
      const share = step / steps;
      this.dab(from[0] + share * (to[0] - from[0]), from[1] + share * (to[1] - from[1]), size, fill);
    }
  }

  /**
   * Set the pixels along both sides of a line, one pixel wide, but only those that have
   * a certain number.
   *
   * The ends of the line stay open.
   *
   * @param {number[]} from - [x, y] in pixels.
   * @param {number[]} to - [x, y] in pixels.
   * @param {number} size - Width of the line in pixels.
   * @param {number} fill - The new number.
   * @param {number} over - Only pixels with this number are changed.
   */
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

  /**
   * Set all pixels between two corners.
   *
   * @param {number[]} from - [x, y] in pixels.
   * @param {number[]} to - [x, y] in pixels.
   * @param {number} fill
   */
  rectangle(from, to, fill) {
    const [left, right] = [from[0], to[0]].sort((a, b) => a - b);
    const [top, bottom] = [from[1], to[1]].sort((a, b) => a - b);
    this.#each(left, top, right, bottom, (x, y) => (this.hole[y * this.width + x] = fill));
  }

  /**
   * Visit the pixels of a box that lie in the picture.
   *
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
