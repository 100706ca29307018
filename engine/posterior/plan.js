/**
 * Plan a sweep through a hole: where it begins, and where particles are compared
 * (model_core/posterior/plan.py).
 *
 * A place is the index of a pixel, row by row. A stop is the place behind a pixel.
 * `keep` is 1 for a given pixel.
 */

/** @import {Size} from "./types" */

/** Columns between two stops of a row, at least: comparing particles takes time. */
const COLUMNS_BETWEEN_STOPS = 4;

/**
 * Return the index of the first pixel that is not given.
 *
 * @param {Uint8Array} keep - Mask, row by row: 1 for a given pixel, 0 for a hole pixel.
 * @returns {number} The index; the number of pixels if all are given.
 */
export function firstHole(keep) {
  const first = keep.indexOf(0);
  return first < 0 ? keep.length : first;
}

/**
 * Return how many given pixels lie behind the first pixel of the hole.
 *
 * @param {Uint8Array} keep - Mask, row by row: 1 for a given pixel, 0 for a hole pixel.
 * @returns {number}
 */
export const givenBehind = (keep) => keep.subarray(firstHole(keep)).reduce((sum, each) => sum + each, 0);

/**
 * Return true if more than half of the hole's pixels lie behind the last given pixel.
 *
 * @param {Uint8Array} keep - Mask, row by row: 1 for a given pixel, 0 for a hole pixel.
 * @returns {boolean}
 */
export function isMostlyLast(keep) {
  const last = keep.length - 1 - keep.lastIndexOf(1);
  return 2 * last > keep.filter((each) => !each).length;
}

/**
 * Return the row of a stop, and how many pixels of this row lie before the stop.
 *
 * @param {number} stop - Number of pixels before the stop, row by row; at least 1.
 * @param {number} width - Pixels of a row.
 * @returns {number[]} [row, columns]; columns are from 1 to `width`, so a stop at the
 *     end of a row belongs to that row.
 */
export function rowAndColumn(stop, width) {
  const y = Math.floor((stop - 1) / width);
  return [y, stop - y * width];
}

/**
 * Return a mask with 1 and 0 exchanged.
 *
 * @param {Uint8Array} mask
 * @returns {Uint8Array<ArrayBuffer>}
 */
export const inverted = (mask) => mask.map((each) => 1 - each);

/**
 * Return the height and width of a window, a part of a hole that is drawn at once.
 *
 * @param {Size} size - Height and width of the image in pixels.
 * @returns {number[]} [height, width]: a quarter of the image's, rounded down, but at
 *     least 2.
 */
export const windowSize = ({ height, width }) => [Math.max(2, height >> 2), Math.max(2, width >> 2)];

/**
 * Cut a hole into windows that lie side by side.
 *
 * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel of the hole.
 * @param {Size} size - Height and width of the image.
 * @param {number} dy - Rows by which the grid of windows is shifted up.
 * @param {number} dx - Columns by which it is shifted to the left.
 * @returns {Uint8Array<ArrayBufferLike>[]} A mask for each window that contains a pixel
 *     of the hole, from the top left. They do not overlap, and together they are the
 *     hole.
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
 * Return the stops at which particles are compared: where given pixels behind the
 * hole's first have something to say.
 *
 * Within a row, a stop comes before a hole pixel that follows given ones, at least
 * COLUMNS_BETWEEN_STOPS columns after the last. A row ends with a stop if given pixels
 * were passed since the last one.
 *
 * @param {Uint8Array} keep - Mask, row by row: 1 for a given pixel, 0 for a hole pixel.
 * @param {Size} size - Height and width of the image.
 * @returns {number[]} Numbers of pixels before each stop, ascending.
 */
export function stops(keep, { height, width }) {
  const first = firstHole(keep);
  /** @type {number[]} */
  const found = [];
  for (let y = Math.floor(first / width); y < height; y++) {
    let [begin, hasGiven, hasHole] = [0, false, false];
    for (let x = 0; x < width; x++) {
      const place = y * width + x;
      // Only given pixels behind the hole's first count: all particles share the
      // earlier ones.
      if (hasGiven && hasHole && !keep[place] && x - begin >= COLUMNS_BETWEEN_STOPS) {
        found.push(place);
        [begin, hasGiven, hasHole] = [x, false, false];
      }
      if (!keep[place]) hasHole = true;
      else if (place > first) hasGiven = true;
    }
    if (hasGiven) found.push((y + 1) * width);
  }
  return found;
}

/**
 * Return these stops, and the end of each row from the hole's first pixel on.
 *
 * Particles report their pixels at each of them, but are compared only at the former.
 *
 * @param {Uint8Array} keep - Mask, row by row: 1 for a given pixel, 0 for a hole pixel.
 * @param {Size} size - Height and width of the image.
 * @param {number[]} compared - Stops at which particles are compared.
 * @returns {number[]} Numbers of pixels before each stop, ascending, each once.
 */
export function withRowEnds(keep, { height, width }, compared) {
  const found = new Set(compared);
  for (let y = Math.floor(firstHole(keep) / width); y < height; y++) found.add((y + 1) * width);
  return [...found].sort((a, b) => a - b);
}
