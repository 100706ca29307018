/**
 * The fog over pixels that are not known yet: the expected colours, tinted, moving
 * smoothly from one forecast to the next.
 */

import { blankCanvas, contextOf } from "./raster.js";

/** Red, green and blue of a pixel about which nothing is known. */
const PAPER = [51, 64, 95];
/** Fog where black is certain. */
const DEEP = [27, 36, 66];
/** Fog where white is certain. */
const BRIGHT = [196, 210, 255];
/** Share of an expected colour that shows through the paper. */
const CLEAR = 0.75;
/** Milliseconds in which the distance to a new forecast is halved. */
const HALF_MS = 76;
/** Distance in a byte's units below which a colour jumps to its aim. */
const NEAR = 0.6;

/**
 * A small canvas with the fog of one picture, one pixel of it for each pixel of the
 * picture.
 *
 * Canvases that show a picture make one, call `fit` with the picture's size and `ease`
 * once in each animation frame, and draw `canvas` enlarged below the known pixels.
 */
export class Fog {
  /** The canvas with the fog; `fit` replaces it. */
  canvas = blankCanvas(1, 1);

  /** Red, green and blue of each pixel as it is now, 0 to 255. */
  #colours = new Float32Array(0);
  #paintedAt = 0;

  /**
   * Set the size of the picture; if it differs from before, start with plain paper.
   *
   * @param {number} width - Width in pixels.
   * @param {number} height - Height in pixels.
   */
  fit(width, height) {
    if (this.canvas.width === width && this.canvas.height === height && this.#colours.length) return;
    this.canvas = blankCanvas(width, height);
    this.reset();
  }

  /** Start with plain paper: another picture begins, of which the former fog says nothing. */
  reset() {
    const { width, height } = this.canvas;
    this.#colours = Float32Array.from({ length: 3 * width * height }, (_, i) => PAPER[i % 3]);
  }

  /**
   * Move every colour a step towards the forecast, and paint the canvas.
   *
   * @param {ImageData | null} mean - Expected colours, of the size of the canvas; null
   *     for plain paper.
   * @param {boolean} isBinary - True if the picture is black and white, so that the fog
   *     is tinted.
   * @param {boolean} isStill - True to reach the forecast at once, for readers who want
   *     no motion.
   * @returns {boolean} True if some colour has not reached its aim.
   */
  ease(mean, isBinary, isStill) {
    const wanted = mean && fogColours(mean, isBinary);
    const picture = new ImageData(this.canvas.width, this.canvas.height);
    const now = performance.now();
    const ease = 1 - 2 ** ((this.#paintedAt - now) / HALF_MS);
    this.#paintedAt = now;
    let farthest = 0;
    this.#colours.forEach((colour, i) => {
      const way = (wanted ? wanted[i] : PAPER[i % 3]) - colour;
      this.#colours[i] = colour + (isStill || Math.abs(way) < NEAR ? way : ease * way);
      farthest = Math.max(farthest, Math.abs(way));
      picture.data[4 * Math.floor(i / 3) + (i % 3)] = this.#colours[i];
    });
    for (let i = 3; i < picture.data.length; i += 4) picture.data[i] = 255;
    contextOf(this.canvas).putImageData(picture, 0, 0);
    return !isStill && farthest >= NEAR;
  }
}

/**
 * Return the fog's red, green and blue of each pixel.
 *
 * Black and white become a cool tint, so that nobody takes the fog for ink. Other
 * colours stay as they are.
 *
 * @param {ImageData} mean
 * @param {boolean} isBinary
 */
function fogColours({ data }, isBinary) {
  const fog = [];
  for (let i = 0; i < data.length; i += 4) {
    const opacity = (CLEAR * data[i + 3]) / 255;
    for (let c = 0; c < 3; c += 1) {
      fog.push(
        isBinary ? DEEP[c] + (data[i] / 255) * (BRIGHT[c] - DEEP[c]) : opacity * data[i + c] + (1 - opacity) * PAPER[c],
      );
    }
  }
  return fog;
}
