/** Thumbnails of jobs for the history. */

import { blankCanvas, contextOf } from "./raster.js";

/** Side of a thumbnail in pixels. */
const SIDE = 64;

/**
 * Return a thumbnail of a job's first images: of four if there are so many, else of
 * one.
 *
 * @param {HTMLCanvasElement[]} canvases - The images, in order; an empty list gives a
 *     transparent thumbnail.
 * @returns {string} Data URL of a PNG of 64 x 64 pixels.
 */
export function thumbnailOf(canvases) {
  const columns = canvases.length >= 4 ? 2 : 1;
  const sheet = blankCanvas(SIDE, SIDE);
  const brush = contextOf(sheet);
  const side = SIDE / columns;
  brush.imageSmoothingEnabled = canvases[0] !== undefined && canvases[0].width > side;
  canvases.slice(0, columns * columns).forEach((canvas, i) => {
    const [left, top] = [(i % columns) * side, Math.floor(i / columns) * side];
    brush.drawImage(canvas, left, top, side, side);
  });
  return sheet.toDataURL("image/png");
}
