/** Whether a completion shows what a job began with: two jobs may have the same seed and other given pictures. */

import { splitGrid, cropTo, holeOf, pictureOf, pixelsOf } from "./raster.js";

/** @import {JobInput} from "../types" */

/** Half the way from black to white: so far a model of two values moves a grey that was given. */
const MOST_APART = 128;

/**
 * The first of several jobs whose given pixels a picture shows, and among those the one that fits best.
 *
 * @template {{given: JobInput}} Kept
 * @param {Kept[]} jobs
 * @param {Blob} file the picture of a completion, or a sheet of several
 * @param {number} count how many images it shows
 * @returns {Promise<Kept | null>}
 */
export async function bestMatch(jobs, file, count) {
  const picture = await pictureOf(file);
  let best = /** @type {Kept | null} */ (null);
  let least = Infinity;
  for (const job of jobs) {
    const apart = await distance(picture, count, job.given).catch(() => Infinity); // of another size, or no picture
    if (apart < least) [best, least] = [job, apart];
  }
  return best;
}

/**
 * How far the pixels that were given are from those of a picture, all together; Infinity if one is too far.
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
