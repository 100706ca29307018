/**
 * The images of a job side by side, beside the given pictures: painted as their rows
 * arrive, ranked at the end.
 */

import { el } from "./dom.js";
import { formatFixed, t } from "../lang.js";
import { outlineOf } from "../pixels/outline.js";
import { Painting } from "../pixels/painting.js";
import { canvasOf, holeOf, pictureOfEstimate, pixelsOf, writeBytes } from "../pixels/raster.js";
import { ordinal } from "../service/words.js";

/** @import {EstimateEvent, JobInput, Job, RankedImage, RowEvent, Size} from "../types" */

/** Milliseconds of a replay, at most. */
const REPLAY_MS = 4000;
/** Milliseconds of a row in a replay. */
const ROW_MS = 50;
/** CSS pixels between tiles, at least. */
const GAP = 12;
/** CSS pixels between tiles, at most. */
const WIDEST_GAP = 32;
/** From this enlargement on, a tile's side is a whole multiple of the image's. */
const CRISP = 4;
/** Width for the tiles while they are not in the page. */
const USUAL_ROOM = 780;
/** Height for the tiles, at least. */
const LEAST_ROOM = 480;
/** Height of the elements above the tiles. */
const HEAD = 120;
const MOST_SIDE = 448;
/** Colour of the mark on the next row. */
const MARKER = /** @type {const} */ ([79, 124, 255]);

/** A tile for each image of a job. */
export class Tiles {
  element = el("div", { class: "tiles" });
  /** @type {Painting[]} */
  paintings = [];

  /** Called with the index of the image whose tile is pressed. @type {(sample: number) => void} */
  onOpen = () => {};

  /** All rows that have arrived, for a replay. @type {RowEvent[]} */
  #rows = [];
  /** Images that a replay shows in place of `paintings`; none if there is no replay. @type {Painting[]} */
  #replayed = [];
  /** @type {Job | null} */
  #job = null;
  /** @type {ImageData | null} */
  #ground = null;
  /** The edge of the hole. @type {Element | null} */
  #outline = null;
  #frame = 0;

  /**
   * Lay empty tiles with the given pictures in their place.
   *
   * @param {Job} job - Job of the service or of this browser.
   * @param {JobInput} given - Data URLs of the pictures that it was given.
   */
  async lay(job, { image, mask }) {
    this.stop();
    this.#job = job;
    this.#rows = [];
    const isHoled = job.kind === "complete" && image && mask;
    const ground = isHoled ? await groundOf(job, image, mask) : null;
    const original = isHoled ? await pixelsOf(image) : null;
    // Another job was laid while the pictures were decoded.
    if (this.#job !== job) return;
    this.#ground = ground;
    this.#outline = ground && outlineOf(holeIn(ground), ground);
    this.paintings = this.#blank(job);
    this.element.replaceChildren(...this.paintings.map((painting, sample) => this.#tile(painting, sample)));
    const beside = Number(original !== null) + Number(job.method === "posterior");
    const { columns, side, gap } = bestGrid(job.n + beside, ground?.width ?? job.width, this.#room);
    this.element.style.setProperty("--tile", `${side}px`);
    this.element.style.setProperty("--columns", String(columns));
    this.element.style.setProperty("--gap", `${gap}px`);
    if (original) this.element.prepend(figure("original", t("Original"), original));
  }

  /**
   * Return the room for the tiles in CSS pixels: the width of the stage, and about the
   * height of the window.
   */
  get #room() {
    const width = this.element.closest(".stage")?.clientWidth || USUAL_ROOM;
    return { width, height: Math.max(LEAST_ROOM, innerHeight - HEAD) };
  }

  /**
   * Store a row and paint it in the next animation frame. A row that is there already
   * is ignored.
   *
   * @param {RowEvent} row
   */
  put(row) {
    if (this.#job?.cutouts) return this.#putPart(this.#job, row);
    if (row.stage !== "small" && row.y < (this.paintings[row.sample]?.large.next ?? 0)) return;
    this.#rows.push(row);
    this.paintings[row.sample]?.put(row);
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  /**
   * Show the expected values of an image, or of a cut-out of it, while it is drawn.
   *
   * @param {EstimateEvent} estimate
   * @param {Job} job
   * @returns {ImageData | null} The expected values of a whole image.
   */
  showMean(estimate, job) {
    const mean = pictureOfEstimate(estimate, job);
    const painting = this.paintings[estimate.sample];
    const place = job.cutouts?.[estimate.cutout ?? 0];
    if (place) painting?.showPart(mean, place.x, place.y);
    else painting?.showMean(mean);
    return place ? null : mean;
  }

  /**
   * Paint a row of a cut-out at its place in the larger picture.
   *
   * @param {Job} job
   * @param {RowEvent} row
   */
  #putPart(job, { sample, cutout, y, pixels }) {
    const place = job.cutouts?.[cutout ?? 0];
    if (!place) return;
    const part = new ImageData(job.width, 1);
    writeBytes(part, pixels, job);
    this.paintings[sample]?.showPart(part, place.x, place.y + y);
  }

  /** Paint what has arrived and remove the marks: no more rows come. */
  rest() {
    this.stop();
    this.#show();
    for (const painting of this.paintings) painting.removeMarker(this.#ground);
  }

  /** Paint nothing until the next row arrives, and end a replay. */
  stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#replayed.forEach(({ canvas }, sample) => canvas.replaceWith(this.paintings[sample].canvas));
    this.#replayed = [];
  }

  /**
   * Order the tiles by probability and write it below them.
   *
   * @param {RankedImage[]} ranking - The likeliest first.
   */
  rank(ranking) {
    ranking.forEach(({ sample, nats }, place) => {
      /** @type {HTMLElement | null} */
      const tile = this.element.querySelector(`[data-sample="${sample}"]`);
      if (!tile) return;
      const name = place === 0 ? t("Likeliest") : ordinal(place + 1);
      const caption = t("{name} · {bits} bits", { name, bits: formatFixed(nats / Math.LN2, 1) });
      tile.dataset.nats = String(nats);
      tile.setAttribute("aria-label", t("{caption}: open large", { caption }));
      tile.querySelector(".caption")?.replaceChildren(caption);
      this.element.append(tile);
    });
  }

  /**
   * Write the quality of each image below its tile.
   *
   * @param {string[]} words
   */
  addQualities(words) {
    words.forEach((word, sample) => {
      const tile = this.element.querySelector(`[data-sample="${sample}"]`);
      const caption = tile?.querySelector(".caption");
      caption?.append(caption.textContent ? ` · ${word}` : word);
      tile?.setAttribute("aria-label", `${tile.getAttribute("aria-label")} · ${word}`);
    });
  }

  /**
   * Write the label of each image below its tile.
   *
   * @param {string[]} labels
   */
  addLabels(labels) {
    labels.forEach((name, sample) => {
      const tile = this.element.querySelector(`[data-sample="${sample}"]`);
      const caption = t("Image {number}, label {name}", { number: sample + 1, name });
      tile?.setAttribute("aria-label", t("{caption}: open large", { caption }));
      tile?.querySelector(".caption")?.replaceChildren(name);
    });
  }

  /**
   * Put the original picture into its place among the ranked images.
   *
   * @param {number} nats - -ln p of the original.
   */
  rankOriginal(nats) {
    /** @type {HTMLElement | null} */
    const original = this.element.querySelector(".original");
    if (!original) return;
    const caption = t("{name} · {bits} bits", { name: t("Original"), bits: formatFixed(nats / Math.LN2, 1) });
    original.querySelector(".caption")?.replaceChildren(caption);
    const tiles = [.../** @type {NodeListOf<HTMLElement>} */ (this.element.querySelectorAll("button.tile"))];
    const next = tiles.find((tile) => Number(tile.dataset.nats) > nats);
    if (next) next.before(original);
    else tiles.at(-1)?.after(original);
  }

  /**
   * Show the rows again in the order in which they arrived. `paintings` stay as they
   * are, so that they can be saved, compared and opened meanwhile.
   */
  replay() {
    // Larger pictures came from the service as a whole, and could not be painted again.
    if (!this.#job || !this.#rows.length) return;
    this.stop();
    const replayed = this.#blank(this.#job);
    replayed.forEach(({ canvas }, sample) => this.paintings[sample].canvas.replaceWith(canvas));
    this.#replayed = replayed;
    const rows = this.#rows;
    const lasts = Math.min(REPLAY_MS, ROW_MS * rows.length);
    const start = performance.now();
    let next = 0;
    const step = (/** @type {number} */ now) => {
      const due = Math.min(rows.length, Math.ceil(((now - start) / lasts) * rows.length));
      for (; next < due; next += 1) replayed[rows[next].sample]?.put(rows[next]);
      for (const painting of replayed) painting.show(MARKER);
      if (next < rows.length) this.#frame = requestAnimationFrame(step);
      else this.stop();
    };
    this.#frame = requestAnimationFrame(step);
  }

  /**
   * Return empty images for a job.
   *
   * @param {Job} job
   */
  #blank(job) {
    const size = job.cutouts && this.#ground ? { width: this.#ground.width, height: this.#ground.height } : {};
    return Array.from({ length: job.n }, () => new Painting({ ...job, ...size }, this.#ground));
  }

  /** Paint the rows that have arrived. */
  #show() {
    this.#frame = 0;
    for (const painting of this.paintings) painting.show(MARKER);
  }

  /**
   * Show a map of all images behind the tiles.
   *
   * @param {string} caption - Text below it.
   * @param {ImageData} picture
   */
  showMap(caption, picture) {
    this.element.append(figure("map", caption, picture));
  }

  /**
   * @param {Painting} painting
   * @param {number} sample
   */
  #tile(painting, sample) {
    const button = el("button", { type: "button", class: "tile" });
    button.setAttribute("aria-label", t("Image {number}: open large", { number: sample + 1 }));
    button.dataset.sample = String(sample);
    const picture = el("span", { class: "picture" }, painting.canvas);
    if (this.#outline) picture.append(this.#outline.cloneNode(true));
    button.append(picture, el("span", { class: "caption" }));
    button.addEventListener("click", () => this.onOpen(sample));
    return button;
  }
}

/**
 * Return a tile of a picture that is none of the job's images.
 *
 * @param {string} kind - Class of the tile.
 * @param {string} caption
 * @param {ImageData} picture
 */
function figure(kind, caption, picture) {
  const canvas = canvasOf(picture);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption);
  return el("div", { class: `tile ${kind}` }, canvas, el("span", { class: "caption" }, caption));
}

/**
 * Return the given picture, transparent in its hole.
 *
 * @param {Job} job
 * @param {string} image
 * @param {string} mask
 */
async function groundOf(job, image, mask) {
  const size = job.cutouts ? undefined : job;
  const ground = await pixelsOf(image, size);
  holeOf(await pixelsOf(mask, size)).forEach((filled, i) => {
    if (filled) ground.data[4 * i + 3] = 0;
  });
  return ground;
}

/**
 * Return a mask of the transparent pixels.
 *
 * @param {ImageData} ground
 */
function holeIn({ data, width, height }) {
  return Uint8Array.from({ length: width * height }, (_, i) => (data[4 * i + 3] ? 0 : 1));
}

/**
 * Return the layout of tiles in which they are as large as possible.
 *
 * @param {number} count - Number of tiles.
 * @param {number} width - Width of an image in pixels.
 * @param {Size} room - Room in CSS pixels.
 * @returns Number of columns, side of a tile, and gap between tiles, in CSS pixels. The
 *     style sheet makes tiles smaller if there is less room.
 */
function bestGrid(count, width, room) {
  const fit = (/** @type {number} */ length, /** @type {number} */ tiles) => Math.floor((length + GAP) / tiles) - GAP;
  const grids = Array.from({ length: count }, (_, i) => {
    const most = Math.min(MOST_SIDE, fit(room.width, i + 1), fit(room.height, Math.ceil(count / (i + 1))));
    const scale = Math.floor(most / width);
    return { columns: i + 1, side: scale < CRISP ? most : scale * width };
  });
  const { columns, side } = grids.reduce((best, grid) => (grid.side >= best.side ? grid : best));
  const gap = Math.floor((room.width - columns * side) / Math.max(1, columns - 1));
  return { columns, side, gap: Math.min(WIDEST_GAP, Math.max(GAP, gap)) };
}
