/** One image while it is drawn: its rows land in memory as they come, and on the canvas once a frame. */

import { blankCanvas, writeBytes, contextOf } from "./raster.js";

/** @import {Job, RowEvent, ScoreResult, Stage} from "../types" */

const GHOST_ALPHA = 96;

/** A picture of which some rows are there. */
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

  /** @param {RowEvent} row */
  put(row) {
    writeBytes(this.pixels, row.pixels, this.look, row.y);
    this.next = row.y + 1;
  }

  get isWhole() {
    return this.next === this.pixels.height;
  }
}

export class Painting {
  /**
   * @param {Job} job
   * @param {ImageData | null} ground what is seen where nothing is drawn yet
   */
  constructor(job, ground) {
    this.canvas = blankCanvas(job.width, job.height);
    this.large = new Rows(job.width, job.height, job);
    this.small = job.small_height ? new Rows(job.small_width, job.small_height, job) : null;
    this.#pen = contextOf(this.canvas);
    if (ground) this.#pen.putImageData(ground, 0, 0);
  }

  /** How likely it is, once somebody has asked. @type {ScoreResult | undefined} */
  score;

  #pen;
  #shownRows = 0;
  #shownSmallRows = 0;

  /** @param {RowEvent} row */
  put(row) {
    if (row.stage === "small") this.small?.put(row);
    else this.large.put(row);
  }

  /** A small image that was given, or is known from elsewhere. @param {ImageData} picture */
  setSmall(picture) {
    if (!this.small) return;
    this.small.pixels = picture;
    this.small.next = picture.height;
    this.#shownSmallRows = picture.height;
    this.#enlarge(this.small.pixels);
  }

  /** Seen until its rows come. @param {ImageData} mean */
  showMean(mean) {
    if (!this.large.next) this.#pen.putImageData(mean, 0, 0);
  }

  /**
   * Show what has come since the last time. The row that comes next is marked.
   *
   * @param {readonly [number, number, number]} marker its colour
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

  /** @param {number} y @param {readonly [number, number, number]} colour */
  #mark(y, colour) {
    this.#pen.fillStyle = `rgb(${colour.join(" ")})`;
    this.#pen.fillRect(0, y, this.canvas.width, 1);
  }

  /** Take the marker away where the drawing has stopped. @param {ImageData | null} ground */
  removeMarker(ground) {
    const { large } = this;
    if (large.isWhole) return;
    this.#pen.clearRect(0, large.next, this.canvas.width, 1);
    if (ground) this.#pen.putImageData(ground, 0, 0, 0, large.next, this.canvas.width, 1);
    if (this.small?.next) this.#enlarge(this.small.pixels);
  }

  /** The small image, pale, below what the large one has. @param {ImageData} small */
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

  /** All of it at once. @param {ImageData} picture */
  replaceWith(picture) {
    this.large.pixels = picture;
    this.large.next = this.#shownRows = picture.height;
    Object.assign(this.canvas, { width: picture.width, height: picture.height, className: "whole" });
    this.#pen.putImageData(picture, 0, 0);
  }

  /** Whether its last row is on the canvas. */
  get isShown() {
    return this.#shownRows === this.canvas.height;
  }

  /** @param {Stage} stage @returns {ImageData | null} once all of its rows are there */
  whole(stage) {
    const rows = stage === "small" ? this.small : this.large;
    return rows?.isWhole ? rows.pixels : null;
  }
}
