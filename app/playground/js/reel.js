/** The canvas of a picture that is being drawn: what is there, where the network is, and a fog of what may still come. */

import { blankCanvas, pen } from "./raster.js";

/** @import {Written} from "./written.js" */
/** @import {Fog} from "./futures.js" */

const SIDE = 672;
const GLOW = "#ff9a4d";
const FRONT = "#7d9bff";
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

export class Reel {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.#canvas = canvas;
  }

  #canvas;
  #above = blankCanvas(1, 1);
  #below = blankCanvas(1, 1);
  /** Red, green and blue of each pixel of the fog as it is seen. */
  #fog = new Float32Array(0);

  /**
   * @param {Written} written
   * @param {number} at how many pixels are there
   * @param {Fog | null} fog
   * @param {boolean} isStill whether a new fog is there at once
   * @param {boolean} isTold whether the next pixel is as bright as white is likely
   * @returns {boolean} whether the fog is still on its way
   */
  paint(written, at, fog, isStill, isTold = true) {
    const { width, height } = written.picture;
    const side = Math.max(1, Math.floor(SIDE / width));
    this.#fit(width, height, side);
    const isMoving = this.#ease(fog && tinted(fog.mean, written.isBinary), isStill);
    const brush = pen(this.#canvas);
    brush.imageSmoothingEnabled = true;
    brush.drawImage(this.#below, 0, 0, side * width, side * height);
    this.#drawTop(written.picture, at);
    brush.imageSmoothingEnabled = false;
    brush.drawImage(this.#above, 0, 0, side * width, side * height);
    if (at < width * height) drawFront(brush, written, at, side, isTold);
    return isMoving;
  }

  /** @param {number} width @param {number} height @param {number} side */
  #fit(width, height, side) {
    if (this.#canvas.width !== side * width || this.#canvas.height !== side * height) {
      this.#canvas.width = side * width;
      this.#canvas.height = side * height;
    }
    if (this.#below.width === width && this.#below.height === height) return;
    this.#above = blankCanvas(width, height);
    this.#below = blankCanvas(width, height);
    this.#fog = Float32Array.from({ length: 3 * width * height }, (_, i) => PAPER[i % 3]);
  }

  /** @param {number[] | null} wanted null = plain paper @param {boolean} isStill */
  #ease(wanted, isStill) {
    const { width, height } = this.#below;
    const shown = new ImageData(width, height);
    let farthest = 0;
    this.#fog.forEach((now, i) => {
      const way = (wanted ? wanted[i] : PAPER[i % 3]) - now;
      this.#fog[i] = isStill || Math.abs(way) < NEAR ? now + way : now + EASE * way;
      farthest = Math.max(farthest, Math.abs(way));
      shown.data[4 * Math.floor(i / 3) + (i % 3)] = this.#fog[i];
    });
    for (let i = 3; i < shown.data.length; i += 4) shown.data[i] = 255;
    pen(this.#below).putImageData(shown, 0, 0);
    return !isStill && farthest >= NEAR;
  }

  /** @param {ImageData} picture @param {number} at */
  #drawTop(picture, at) {
    const top = new ImageData(picture.width, picture.height);
    top.data.set(picture.data.subarray(0, 4 * at));
    pen(this.#above).putImageData(top, 0, 0);
  }
}

/** Cool, so that nobody takes it for ink; a colour stays one. @param {ImageData} mean @param {boolean} isBinary */
function tinted({ data }, isBinary) {
  const fog = [];
  for (let i = 0; i < data.length; i += 4) {
    for (let c = 0; c < 3; c += 1) {
      fog.push(
        isBinary ? DEEP[c] + (data[i] / 255) * (BRIGHT[c] - DEEP[c]) : CLEAR * data[i + c] + (1 - CLEAR) * PAPER[c],
      );
    }
  }
  return fog;
}

/**
 * The edge of what the network knows, and the pixel that comes next.
 *
 * @param {CanvasRenderingContext2D} brush
 * @param {Written} written
 * @param {number} at
 * @param {number} side
 * @param {boolean} isTold
 */
function drawFront(brush, { picture, isBinary, bits }, at, side, isTold) {
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
  if (isTold && bits && isBinary) {
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

/** Before it was drawn. @param {ImageData} picture of black and white @param {number[]} bits @param {number} at */
export function chanceOfWhite({ data }, bits, at) {
  const drawn = 2 ** -bits[at];
  return data[4 * at] > 127 ? drawn : 1 - drawn;
}
