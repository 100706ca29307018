/**
 * The canvas of a picture that is being drawn: its finished pixels, the network's
 * position, and the fog of what may come.
 */

import { Fog } from "../pixels/fog.js";
import { blankCanvas, contextOf } from "../pixels/raster.js";
import { chanceOfWhite } from "../service/drawing.js";

/** @import {Drawing} from "../service/drawing.js" */
/** @import {Forecast} from "../service/forecasts.js" */

/** Side of the canvas in pixels, at most. */
const SIDE = 672;
const GLOW = "#ff9a4d";
const FRONT = "#7d9bff";

/** Paints a drawing up to a pixel on a canvas element, in each animation frame. */
export class DrawingCanvas {
  /** @param {HTMLCanvasElement} canvas - Element to paint on. */
  constructor(canvas) {
    this.#canvas = canvas;
  }

  #canvas;
  #above = blankCanvas(1, 1);
  #fog = new Fog();
  /** @type {Drawing | null} */
  #drawing = null;

  /**
   * Paint a drawing up to a pixel.
   *
   * @param {Drawing} drawing - The finished picture.
   * @param {number} at - Number of pixels that are shown, row by row.
   * @param {Forecast | null} forecast - Forecast that the fog shows; null for plain
   *     paper.
   * @param {boolean} isStill - True to show a new forecast at once.
   * @param {boolean} showsChance - True to paint the next pixel as bright as white is
   *     likely.
   * @returns {boolean} True if the fog is still changing.
   */
  paint(drawing, at, forecast, isStill, showsChance = true) {
    const { width, height } = drawing.picture;
    const side = Math.max(1, Math.floor(SIDE / width));
    this.#fit(width, height, side);
    // A drawing that is drawn anew from a pixel on keeps the fog, since its beginning is the same.
    if (drawing !== this.#drawing && at === 0) this.#fog.reset();
    this.#drawing = drawing;
    const isMoving = this.#fog.ease(forecast && forecast.mean, drawing.isBinary, isStill);
    const brush = contextOf(this.#canvas);
    brush.imageSmoothingEnabled = true;
    brush.drawImage(this.#fog.canvas, 0, 0, side * width, side * height);
    const row = side * Math.floor(at / width);
    // The fog must not show through transparent colours of finished pixels.
    brush.clearRect(0, 0, side * width, row);
    brush.clearRect(0, row, side * (at % width), side);
    this.#drawTop(drawing.picture, at);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(this.#above, 0, 0, side * width, side * height);
    if (at < width * height) drawFront(brush, drawing, at, side, showsChance);
    return isMoving;
  }

  /**
   * @param {number} width
   * @param {number} height
   * @param {number} side
   */
  #fit(width, height, side) {
    if (this.#canvas.width !== side * width || this.#canvas.height !== side * height) {
      this.#canvas.width = side * width;
      this.#canvas.height = side * height;
    }
    this.#fog.fit(width, height);
    if (this.#above.width !== width || this.#above.height !== height) this.#above = blankCanvas(width, height);
  }

  /**
   * @param {ImageData} picture
   * @param {number} at
   */
  #drawTop(picture, at) {
    const top = new ImageData(picture.width, picture.height);
    top.data.set(picture.data.subarray(0, 4 * at));
    contextOf(this.#above).putImageData(top, 0, 0);
  }
}

/**
 * Paint the edge of the finished pixels and a frame around the next one.
 *
 * @param {CanvasRenderingContext2D} brush
 * @param {Drawing} drawing
 * @param {number} at
 * @param {number} side - Side of a pixel on the canvas.
 * @param {boolean} showsChance
 */
function drawFront(brush, { picture, isBinary, bits }, at, side, showsChance) {
  const { width } = picture;
  const [x, y] = [(at % width) * side, Math.floor(at / width) * side];
  brush.strokeStyle = FRONT;
  brush.lineWidth = 3;
  brush.beginPath();
  brush.moveTo(0, y + side);
  brush.lineTo(x, y + side);
  brush.lineTo(x, y);
  brush.lineTo(side * width, y);
  brush.stroke();
  // In a bet the chance is hidden until the reader has bet.
  if (showsChance && bits && isBinary) {
    const white = Math.round(255 * chanceOfWhite(picture, bits, at));
    brush.fillStyle = `rgb(${white} ${white} ${white})`;
    brush.fillRect(x, y, side, side);
  }
  brush.shadowColor = GLOW;
  brush.shadowBlur = side;
  brush.strokeStyle = GLOW;
  brush.lineWidth = 4;
  brush.strokeRect(x, y, side, side);
  brush.shadowBlur = 0;
}
