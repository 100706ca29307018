/** The images of a job side by side, beside what was given: painted as their rows come, ranked at the end. */

import { el } from "./dom.js";
import { formatFixed, t } from "../lang.js";
import { outlineOf } from "../pixels/outline.js";
import { Painting } from "../pixels/painting.js";
import { canvasOf, cropTo, holeOf, load, pixelsOf, smallSize } from "../pixels/raster.js";
import { ordinal } from "../service/words.js";

/** @import {JobInput, Job, RankedImage, RowEvent, Size} from "../types" */

/** How long a second look takes: a moment for each row, up to this. */
const REPLAY_MS = 4000;
const ROW_MS = 50;
const GAP = 12;
const WIDEST_GAP = 32;
const CRISP = 4;
/** While it is not seen how much there is. */
const USUAL_ROOM = 780;
const LEAST_ROOM = 480;
/** What stands above the tiles. */
const HEAD = 120;
const MOST_SIDE = 448;
const MARKER = /** @type {const} */ ([79, 124, 255]);

export class Tiles {
  element = el("div", { class: "tiles" });
  /** @type {Painting[]} */
  paintings = [];

  /** Called with the image that is chosen. @type {(sample: number) => void} */
  onOpen = () => {};

  /** All that have come, for a second look. @type {RowEvent[]} */
  #rows = [];
  /** @type {Job | null} */
  #job = null;
  /** @type {ImageData | null} */
  #ground = null;
  /** The small image that was given. @type {ImageData | null} */
  #small = null;
  /** The edge of the hole. @type {Element | null} */
  #outline = null;
  #frame = 0;

  /** Empty tiles, with what was given in its place. @param {Job} job @param {JobInput} given */
  async lay(job, { image, mask }) {
    this.stop();
    this.#job = job;
    this.#rows = [];
    const isHoled = job.kind === "complete" && image && mask;
    const ground = isHoled ? await groundOf(job, image, mask) : null;
    const small = job.kind === "upsample" && image ? cropTo(await load(image), smallSize(job)) : null;
    const original = isHoled ? await pixelsOf(image) : null;
    if (this.#job !== job) return; // another one was laid meanwhile
    this.#ground = ground;
    this.#small = small;
    this.#outline = ground && outlineOf(holeIn(ground), ground);
    this.paintings = this.#blank(job);
    this.element.replaceChildren(...this.paintings.map((painting, sample) => this.#tile(painting, sample)));
    const beside = Number(original !== null) + Number(small !== null) + Number(job.method === "posterior");
    const { columns, side, gap } = bestGrid(job.n + beside, ground?.width ?? job.width, this.#room);
    this.element.style.setProperty("--tile", `${side}px`);
    this.element.style.setProperty("--columns", String(columns));
    this.element.style.setProperty("--gap", `${gap}px`);
    if (original) this.element.prepend(figure("original", t("Original"), original));
    const size = `${job.small_width} × ${job.small_height}`;
    if (small) this.element.prepend(figure("original", t("Given, {size}", { size }), small));
  }

  /** As wide as the stage, and no higher than the window. */
  get #room() {
    const width = this.element.closest(".stage")?.clientWidth || USUAL_ROOM;
    return { width, height: Math.max(LEAST_ROOM, innerHeight - HEAD) };
  }

  /** A row that is there already comes again from whoever draws the same. @param {RowEvent} row */
  put(row) {
    if (this.#job?.cutouts) return; // the service puts them in their places
    if (row.stage !== "small" && row.y < (this.paintings[row.sample]?.large.next ?? 0)) return;
    this.#rows.push(row);
    this.paintings[row.sample]?.put(row);
    this.#frame ||= requestAnimationFrame(() => this.#show());
  }

  /** No more rows come. */
  rest() {
    this.stop();
    this.#show();
    for (const painting of this.paintings) painting.removeMarker(this.#ground);
  }

  stop() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** The likeliest first. @param {RankedImage[]} ranking */
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

  /** How good each image is, in a word. @param {string[]} words */
  addQualities(words) {
    words.forEach((word, sample) => {
      const tile = this.element.querySelector(`[data-sample="${sample}"]`);
      const caption = tile?.querySelector(".caption");
      caption?.append(caption.textContent ? ` · ${word}` : word);
      tile?.setAttribute("aria-label", `${tile.getAttribute("aria-label")} · ${word}`);
    });
  }

  /** What each image is called. @param {string[]} labels */
  addLabels(labels) {
    labels.forEach((name, sample) => {
      const tile = this.element.querySelector(`[data-sample="${sample}"]`);
      const caption = t("Image {number}, label {name}", { number: sample + 1, name });
      tile?.setAttribute("aria-label", t("{caption}: open large", { caption }));
      tile?.querySelector(".caption")?.replaceChildren(name);
    });
  }

  /** The given picture goes where its likelihood belongs among the others. @param {number} nats */
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

  /** The rows again, in the order in which they came, slowly enough for the eye. */
  replay() {
    if (!this.#job) return;
    this.stop();
    const before = this.paintings;
    this.paintings = this.#blank(this.#job);
    this.paintings.forEach((painting, sample) => {
      painting.score = before[sample].score;
      before[sample].canvas.replaceWith(painting.canvas);
    });
    const rows = this.#rows;
    const lasts = Math.min(REPLAY_MS, ROW_MS * rows.length);
    const begun = performance.now();
    let next = 0;
    const step = (/** @type {number} */ now) => {
      const due = Math.min(rows.length, Math.ceil(((now - begun) / lasts) * rows.length));
      for (; next < due; next += 1) this.paintings[rows[next].sample]?.put(rows[next]);
      this.#show();
      if (next < rows.length) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  /** @param {Job} job */
  #blank(job) {
    const size = job.cutouts && this.#ground ? { width: this.#ground.width, height: this.#ground.height } : {};
    const paintings = Array.from({ length: job.n }, () => new Painting({ ...job, ...size }, this.#ground));
    if (this.#small) for (const painting of paintings) painting.setSmall(this.#small);
    return paintings;
  }

  #show() {
    this.#frame = 0;
    for (const painting of this.paintings) painting.show(MARKER);
  }

  /** A map of all images together, behind them. @param {string} caption @param {ImageData} picture */
  showMap(caption, picture) {
    this.element.append(figure("map", caption, picture));
  }

  /** @param {Painting} painting @param {number} sample */
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

/** A picture that is none of the job's images. @param {string} kind @param {string} caption @param {ImageData} picture */
function figure(kind, caption, picture) {
  const canvas = canvasOf(picture);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", caption);
  return el("div", { class: `tile ${kind}` }, canvas, el("span", { class: "caption" }, caption));
}

/** What is kept of the given image; transparent where it is to be drawn. @param {Job} job @param {string} image @param {string} mask */
async function groundOf(job, image, mask) {
  const size = job.cutouts ? undefined : job;
  const ground = await pixelsOf(image, size);
  holeOf(await pixelsOf(mask, size)).forEach((filled, i) => {
    if (filled) ground.data[4 * i + 3] = 0;
  });
  return ground;
}

/** Where the ground is transparent. @param {ImageData} ground */
function holeIn({ data, width, height }) {
  return Uint8Array.from({ length: width * height }, (_, i) => (data[4 * i + 3] ? 0 : 1));
}

/**
 * How many tiles stand side by side, so that all of them are as large as there is room for, the side of one in CSS pixels,
 * and the gap that fills the width: the side is a whole multiple of the image's where that wastes little. The style sheet
 * makes them smaller where there is less.
 *
 * @param {number} count
 * @param {number} width
 * @param {Size} room
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
