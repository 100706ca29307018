/**
 * Plans for a hole: whose order suits it, and where particles are compared (model_core/posterior/plan.py). A place is how
 * many pixels lie before it, row by row; a stop is a place behind a pixel. keep is 1 where a pixel is given.
 */

/** @import {Size} from "./types" */

const COLUMNS_BETWEEN_STOPS = 4;

/**
 * The place of the first pixel that is not given; behind all where there is none.
 *
 * @param {Uint8Array} keep
 */
export function firstHole(keep) {
  const first = keep.indexOf(0);
  return first < 0 ? keep.length : first;
}

/**
 * How many given pixels lie behind the hole's first.
 *
 * @param {Uint8Array} keep
 */
export const givenBehind = (keep) => keep.subarray(firstHole(keep)).reduce((sum, each) => sum + each, 0);

/** Does more than half of the hole lie behind all that is given? @param {Uint8Array} keep */
export function isMostlyLast(keep) {
  const last = keep.length - 1 - keep.lastIndexOf(1);
  return 2 * last > keep.filter((each) => !each).length;
}

/**
 * The row of a stop, and how many of its pixels lie before it: all, at a row's end.
 *
 * @param {number} stop
 * @param {number} width
 */
export function rowAndColumn(stop, width) {
  const y = Math.floor((stop - 1) / width);
  return [y, stop - y * width];
}

/** @param {Uint8Array} mask */
export const inverted = (mask) => mask.map((each) => 1 - each);

/**
 * Rows and columns of a window: a quarter of the image's.
 *
 * @param {Size} size
 */
export const windowSize = ({ height, width }) => [Math.max(2, height >> 2), Math.max(2, width >> 2)];

/**
 * The parts of a hole in squares that lie side by side; the first begins dy rows and dx columns before the image.
 *
 * @param {Uint8Array} hole
 * @param {Size} size
 * @param {number} dy
 * @param {number} dx
 */
export function windows(hole, size, dy, dx) {
  const { width } = size;
  const [tall, wide] = windowSize(size);
  /** @type {Map<number, Uint8Array>} */
  const parts = new Map();
  hole.forEach((isHole, place) => {
    if (!isHole) return;
    const [y, x] = [Math.floor(place / width), place % width];
    const number = Math.floor((y + dy) / tall) * (width + wide) + Math.floor((x + dx) / wide);
    const part = parts.get(number) ?? new Uint8Array(hole.length);
    part[place] = 1;
    parts.set(number, part);
  });
  return [...parts].sort(([a], [b]) => a - b).map(([, part]) => part);
}

/**
 * The stops at which particles are compared.
 *
 * @param {Uint8Array} keep
 * @param {Size} size
 */
export function stops(keep, { height, width }) {
  const first = firstHole(keep);
  /** @type {number[]} */
  const found = [];
  for (let y = Math.floor(first / width); y < height; y++) {
    let [begun, tells, lacks] = [0, false, false];
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      if (tells && lacks && !keep[place] && x - begun >= COLUMNS_BETWEEN_STOPS) {
        found.push(place);
        [begun, tells, lacks] = [x, false, false];
      }
      if (!keep[place]) lacks = true;
      else if (place > first) tells = true;
    }
    if (tells) found.push((y + 1) * width);
  }
  return found;
}

/**
 * These stops, and between them the ends of the rows from the hole's first pixel on.
 *
 * @param {Uint8Array} keep
 * @param {Size} size
 * @param {number[]} compared
 */
export function withRowEnds(keep, { height, width }, compared) {
  const found = new Set(compared);
  for (let y = Math.floor(firstHole(keep) / width); y < height; y++) found.add((y + 1) * width);
  return [...found].sort((a, b) => a - b);
}
