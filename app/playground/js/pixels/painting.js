/**
 * One image while it is drawn: its rows are stored as they arrive and painted once in
 * each animation frame.
 */

import { blankCanvas, canvasOf, writeBytes, contextOf } from "./raster.js";

/** @import {Job, RowEvent, ScoreResult, Stage} from "../types" */

/**
 * Opacity of the small image of a Multi-Scale model while its enlargement is drawn, 0
 * to 255.
 */
const GHOST_ALPHA = 96;

/** A picture of which some rows have arrived, from the top. */
class Rows {
  /**
   * @param {number} width
   * @param {number} height
   * @param {{channels: number, palette?: string[] | null}} look
   */
  constructor(width, height, look) {
    this.pixels = new ImageData(width, height);
    this.look = look;
    this.next = 0;
  }

  /**
   * Store a row.
   *
   * @param {RowEvent} row
   */
  put(row) {
    writeBytes(this.pixels, row.pixels, this.look, row.y);
    this.next = row.y + 1;
  }

  /** Return true if all rows have arrived. */
  get isWhole() {
    return this.next === this.pixels.height;
  }
}

/**
 * One image of a job: its pixels, and the canvas that shows it. `large` is the image,
 * `small` the first stage of a Multi-Scale model, else null.
 */
export class Painting {
  /**
   * @param {Job} job - Size, colours and palette of the image are read from it.
   * @param {ImageData | null} ground - Picture that is seen where nothing is drawn yet;
   *     null for none.
   */
  constructor(job, ground) {
    this.canvas = blankCanvas(job.width, job.height);
    this.large = new Rows(job.width, job.height, job);
    this.small = job.small_height ? new Rows(job.small_width, job.small_height, job) : null;
    this.#pen = contextOf(this.canvas);
    if (ground) this.#pen.putImageData(ground, 0, 0);
    this.#ground = ground;
  }

  /** Score of the finished image; undefined until a view asked for it. @type {ScoreResult | undefined} */
  score;

  #pen;
  #ground;
  #shownRows = 0;
  #shownSmallRows = 0;

  /**
   * Store a row of the small or the large image.
   *
   * @param {RowEvent} row
   */
  put(row) {
    if (row.stage === "small") this.small?.put(row);
    else this.large.put(row);
  }

  /**
   * Show the expected values of all pixels, until the first row arrives.
   *
   * @param {ImageData} mean
   */
  showMean(mean) {
    if (!this.large.next) this.#pen.putImageData(mean, 0, 0);
  }

  /**
   * Show a part of the picture in the hole of the ground, as far as it is known.
   *
   * @param {ImageData} part - It is changed: what is given becomes transparent.
   * @param {number} left - Its place in the picture.
   * @param {number} top
   */
  showPart(part, left, top) {
    if (!this.#ground) return;
    const { data, width } = this.#ground;
    for (let i = 0; i < part.width * part.height; i += 1) {
      const at = (top + Math.floor(i / part.width)) * width + left + (i % part.width);
      if (data[4 * at + 3]) part.data[4 * i + 3] = 0;
    }
    this.#pen.drawImage(canvasOf(part), left, top);
  }

  /**
   * Paint the rows that arrived since the last call, and mark the next one.
   *
   * @param {readonly [number, number, number]} marker - Red, green and blue of the
   *     mark.
   */
  show(marker) {
    const { large, small } = this;
    if (small && small.next > this.#shownSmallRows && !large.next) {
      this.#enlarge(small.pixels);
      this.#shownSmallRows = small.next;
    }
    if (large.next === this.#shownRows) return;
    this.#pen.putImageData(large.pixels, 0, 0, 0, this.#shownRows, large.pixels.width, large.next - this.#shownRows);
    this.#shownRows = large.next;
    if (!large.isWhole) this.#mark(large.next, marker);
  }

  /**
   * @param {number} y
   * @param {readonly [number, number, number]} colour
   */
  #mark(y, colour) {
    this.#pen.fillStyle = `rgb(${colour.join(" ")})`;
    this.#pen.fillRect(0, y, this.canvas.width, 1);
  }

  /**
   * Remove the mark where drawing has stopped.
   *
   * @param {ImageData | null} ground - Picture that is seen where nothing is drawn.
   */
  removeMarker(ground) {
    const { large } = this;
    if (large.isWhole) return;
    this.#pen.clearRect(0, large.next, this.canvas.width, 1);
    if (ground) this.#pen.putImageData(ground, 0, 0, 0, large.next, this.canvas.width, 1);
    if (this.small?.next) this.#enlarge(this.small.pixels);
  }

  /**
   * Paint the small image, pale, below the rows of the large one.
   *
   * @param {ImageData} small
   */
  #enlarge(small) {
    const pale = new ImageData(new Uint8ClampedArray(small.data), small.width);
    for (let at = 3; at < pale.data.length; at += 4) pale.data[at] = Math.min(pale.data[at], GHOST_ALPHA);
    const from = blankCanvas(small.width, small.height);
    contextOf(from).putImageData(pale, 0, 0);
    const [width, height] = [this.canvas.width, this.canvas.height];
    this.#pen.imageSmoothingEnabled = false;
    this.#pen.clearRect(0, this.#shownRows, width, height);
    const top = (this.#shownRows / height) * small.height;
    this.#pen.drawImage(
      from,
      0,
      top,
      small.width,
      small.height - top,
      0,
      this.#shownRows,
      width,
      height - this.#shownRows,
    );
  }

  /**
   * Replace the image by a finished picture, which may have another size.
   *
   * @param {ImageData} picture
   */
  replaceWith(picture) {
    this.large.pixels = picture;
    this.large.next = this.#shownRows = picture.height;
    Object.assign(this.canvas, { width: picture.width, height: picture.height, className: "whole" });
    this.#pen.putImageData(picture, 0, 0);
  }

  /** Return true if the last row is on the canvas. */
  get isShown() {
    return this.#shownRows === this.canvas.height;
  }

  /**
   * Return a finished picture, or null if rows are missing.
   *
   * @param {Stage} stage - "small" for the first stage of a Multi-Scale model.
   * @returns {ImageData | null}
   */
  whole(stage) {
    const rows = stage === "small" ? this.small : this.large;
    return rows?.isWhole ? rows.pixels : null;
  }
}
