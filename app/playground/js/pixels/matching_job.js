/**
 * Find the job whose given pixels a completion shows: two jobs may have the same seed
 * and different given pixels.
 */

import { splitGrid, cropTo, holeOf, pictureOf, pixelsOf } from "./raster.js";

/** @import {JobInput} from "../types" */

/**
 * Difference of a byte that is accepted, at most: a model with two values changes a
 * given grey by up to that.
 */
const MOST_APART = 128;

/**
 * Return the job whose given pixels are most like those of a picture.
 *
 * Pixels in a job's hole are ignored, since the completion drew them.
 *
 * @template {{given: JobInput}} Kept
 * @param {Kept[]} jobs - Jobs with the data URLs of their given picture and mask. Of
 *     equally similar ones, the first is returned.
 * @param {Blob} file - Picture of a completion, or a sheet of several, enlarged or not.
 * @param {number} count - Number of images on the sheet.
 * @returns {Promise<Kept | null>} The job; null if none has the same size and similar
 *     given pixels.
 * @throws {EncodingError} if the file is no picture.
 */
export async function bestMatch(jobs, file, count) {
  const picture = await pictureOf(file);
  let best = /** @type {Kept | null} */ (null);
  let least = Infinity;
  for (const job of jobs) {
    // A job's picture may be unreadable.
    const apart = await distance(picture, count, job.given).catch(() => Infinity);
    if (apart < least) [best, least] = [job, apart];
  }
  return best;
}

/**
 * Return the sum of the differences of the given pixels, in a byte's units; Infinity if
 * one is too large.
 *
 * @param {ImageData} sheet
 * @param {number} count
 * @param {JobInput} given
 */
async function distance(sheet, count, { image, mask }) {
  if (!image || !mask) return Infinity;
  const began = await pixelsOf(image);
  const hole = holeOf(await pixelsOf(mask));
  const columns = Math.ceil(Math.sqrt(count));
  const rows = Math.ceil(count / columns);
  const width = columns * (began.width + 1) - 1;
  const height = rows * (began.height + 1) - 1;
  if (sheet.width % width || sheet.height % height) return Infinity;

  const bitmap = await createImageBitmap(sheet);
  const small = cropTo(bitmap, { width, height }, "transparent");
  const [first] = splitGrid(small, count, began);
  let all = 0;
  for (let at = 0; at < first.data.length; at += 1) {
    if (hole[at >> 2]) continue;
    const apart = Math.abs(first.data[at] - began.data[at]);
    if (apart > MOST_APART) return Infinity;
    all += apart;
  }
  return all;
}
