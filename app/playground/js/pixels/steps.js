/** Pixels under a pointer, and movement over a picture with the arrow keys. */

/** @import {Size} from "../types" */

/**
 * Name of an arrow key -> [columns, rows] that it moves.
 *
 * @type {Record<string, number[]>}
 */
export const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Return the pixel one step away, but never outside the picture.
 *
 * @param {number[]} place - [x, y] of a pixel.
 * @param {number[]} step - [columns, rows] to move.
 * @param {Size} size
 */
export function neighbour([x, y], [right, down], { width, height }) {
  return [within(x + right, width), within(y + down, height)];
}

/**
 * Return where a pointer is over a picture, as [x, y] in the picture's pixels with
 * fractions.
 *
 * @param {MouseEvent} event - Event of the pointer.
 * @param {HTMLCanvasElement} canvas - Element that shows the picture, at any size.
 * @param {Size} size The place may lie outside.
 */
export function placeAt(event, canvas, { width, height }) {
  const box = canvas.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
}

/**
 * Return the pixel under a pointer as [x, y]; of a pointer outside, the nearest one.
 *
 * @param {MouseEvent} event - Event of the pointer.
 * @param {HTMLCanvasElement} canvas - Element that shows the picture, at any size.
 * @param {Size} size
 */
export function pixelAt(event, canvas, size) {
  const [x, y] = placeAt(event, canvas, size).map(Math.floor);
  return [within(x, size.width), within(y, size.height)];
}

/**
 * Return an index that is at least 0 and less than `length`.
 *
 * @param {number} at
 * @param {number} length
 */
function within(at, length) {
  return Math.min(length - 1, Math.max(0, at));
}
