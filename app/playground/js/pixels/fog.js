/** A fog over what is not known yet: what is expected of each pixel, soft, and on its way from the last to the next. */

import { blankCanvas, contextOf } from "./raster.js";

/** Nothing is known of it. */
const PAPER = [51, 64, 95];
/** Fog of black and of white. */
const DEEP = [27, 36, 66];
const BRIGHT = [196, 210, 255];
/** How much of a colour is seen through the paper. */
const CLEAR = 0.75;
/** How much of the way to a new fog is gone in one frame. */
const EASE = 0.14;
const NEAR = 0.6;

export class Fog {
  /** A pixel for each pixel of the picture. */
  canvas = blankCanvas(1, 1);

  /** Red, green and blue of each pixel, as it is seen. */
  #colours = new Float32Array(0);

  /** Plain paper, where it had another size. @param {number} width @param {number} height */
  fit(width, height) {
    if (this.canvas.width === width && this.canvas.height === height && this.#colours.length) return;
    this.canvas = blankCanvas(width, height);
    this.#colours = Float32Array.from({ length: 3 * width * height }, (_, i) => PAPER[i % 3]);
  }

  /**
   * A step towards what is expected.
   *
   * @param {ImageData | null} mean of all that can come; null = plain paper
   * @param {boolean} isBinary
   * @param {boolean} isStill whether it is there at once
   * @returns {boolean} whether it is still on its way
   */
  ease(mean, isBinary, isStill) {
    const wanted = mean && fogColours(mean, isBinary);
    const shown = new ImageData(this.canvas.width, this.canvas.height);
    let farthest = 0;
    this.#colours.forEach((now, i) => {
      const way = (wanted ? wanted[i] : PAPER[i % 3]) - now;
      this.#colours[i] = isStill || Math.abs(way) < NEAR ? now + way : now + EASE * way;
      farthest = Math.max(farthest, Math.abs(way));
      shown.data[4 * Math.floor(i / 3) + (i % 3)] = this.#colours[i];
    });
    for (let i = 3; i < shown.data.length; i += 4) shown.data[i] = 255;
    contextOf(this.canvas).putImageData(shown, 0, 0);
    return !isStill && farthest >= NEAR;
  }
}

/** Cool, so that nobody takes it for ink; a colour stays one. @param {ImageData} mean @param {boolean} isBinary */
function fogColours({ data }, isBinary) {
  const fog = [];
  for (let i = 0; i < data.length; i += 4) {
    const seen = (CLEAR * data[i + 3]) / 255;
    for (let c = 0; c < 3; c += 1) {
      fog.push(
        isBinary ? DEEP[c] + (data[i] / 255) * (BRIGHT[c] - DEEP[c]) : seen * data[i + c] + (1 - seen) * PAPER[c],
      );
    }
  }
  return fog;
}
