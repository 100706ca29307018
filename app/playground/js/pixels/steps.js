/** Moving over the pixels of a picture with the arrow keys. */

/** @import {Size} from "../types" */

/** @type {Record<string, number[]>} */
export const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** One step on, no further than the edge. @param {number[]} place @param {number[]} step @param {Size} size */
export function neighbour([x, y], [right, down], { width, height }) {
  return [within(x + right, width), within(y + down, height)];
}

/** Where the pointer is, in pixels of the picture. @param {MouseEvent} event @param {HTMLCanvasElement} canvas @param {Size} size */
export function placeAt(event, canvas, { width, height }) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
}

/** The pixel under the pointer. @param {MouseEvent} event @param {HTMLCanvasElement} canvas @param {Size} size */
export function pixelAt(event, canvas, size) {
  const [x, y] = placeAt(event, canvas, size).map(Math.floor);
  return [within(x, size.width), within(y, size.height)];
}

/** @param {number} at @param {number} length */
function within(at, length) {
  return Math.min(length - 1, Math.max(0, at));
}
