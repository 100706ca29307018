/** Draw the edge of a hole as a line over a picture. */

/** @import {Size} from "../types" */

const SPACE = "http://www.w3.org/2000/svg";

/**
 * Return the edge of a hole as an SVG path in which a pixel is 1 unit wide.
 *
 * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel of the hole.
 * @param {Size} size
 * @returns {string} The value of a `d` attribute; "" without a hole.
 */
export function edgeOf(hole, { width, height }) {
  const isHole = (/** @type {number} */ x, /** @type {number} */ y) =>
    x >= 0 && y >= 0 && x < width && y < height && hole[y * width + x] === 1;
  const lines = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (hole[y * width + x] !== 1) continue;
      if (!isHole(x, y - 1)) lines.push(`M${x} ${y}h1`);
      if (!isHole(x, y + 1)) lines.push(`M${x} ${y + 1}h1`);
      if (!isHole(x - 1, y)) lines.push(`M${x} ${y}v1`);
      if (!isHole(x + 1, y)) lines.push(`M${x + 1} ${y}v1`);
    }
  }
  return lines.join("");
}

/**
 * Return an SVG element that shows the edge of a hole. It is scaled to the picture on
 * which it is laid.
 *
 * @param {Uint8Array} hole - Mask, row by row: 1 for a pixel of the hole.
 * @param {Size} size
 * @returns {SVGElement} A new element, not yet in the page, hidden from screen readers.
 */
export function outlineOf(hole, { width, height }) {
  const drawing = document.createElementNS(SPACE, "svg");
  drawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  drawing.setAttribute("class", "outline");
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SPACE, "path");
  path.setAttribute("d", edgeOf(hole, { width, height }));
  drawing.append(path);
  return drawing;
}
