/** A small picture of a job for the history: its first images, side by side. */

import { blankCanvas, contextOf } from "./raster.js";

const SIDE = 64;

/** @param {HTMLCanvasElement[]} canvases @returns {string} a data URL */
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
