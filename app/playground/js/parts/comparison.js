/**
 * Rows of images with the same seed: of several models, or of one model at several
 * temperatures.
 */

import { el } from "./dom.js";
import { formatNumber, t } from "../lang.js";
import { Lightbox } from "./lightbox.js";
import { blankCanvas, contextOf, save } from "../pixels/raster.js";
import { LatestRequest } from "../signal.js";
import { Tiles } from "./tiles.js";

/** @import {Job, Model, Shared, DrawOptions} from "../types" */

/** Side of an image on the page in CSS pixels, at most. */
const MOST_SIDE = 112;
/** Side of the square that a pixel becomes in the saved picture. */
const SCALE = 8;
/** Height of a row's label in the saved picture, in pixels. */
const LABEL = 34;

/** Model and options of a row. @typedef {{label: string, note: string, model: Model, wish: DrawOptions}} Variant */
/** A row that is drawn. @typedef {{label: string, tiles: Tiles, job: Job}} Row */

/**
 * Draws and shows several rows of images.
 *
 * The sample view makes one and puts `element` into its stage. `draw(variants)` draws
 * all rows side by side in time; a second call aborts the first.
 */
export class Comparison {
  /** @param {Shared} shared - State and services of the page. */
  constructor(shared) {
    this.#shared = shared;
    this.#cancel.addEventListener("click", () => this.#stop());
    this.#save.addEventListener("click", () => this.#saveAll());
    const head = el("div", { class: "board-head" }, this.#state, this.#cancel, this.#save);
    this.element = el("div", { class: "comparison", hidden: true }, head, this.#rows);
  }

  #shared;
  #state = el("p", { class: "standing", role: "status" });
  #cancel = el("button", { type: "button", class: "quiet" }, t("Cancel"));
  #save = el("button", { type: "button", class: "quiet" }, t("Save as one picture"));
  #rows = el("div", { class: "rows" });
  #asking = new LatestRequest();
  /** @type {Row[]} */
  #done = [];

  /**
   * Draw a row for each variant.
   *
   * @param {Variant[]} variants
   * @returns {Promise<Row[]>} The rows, in order; an empty list if they were canceled
   *     or others were requested meanwhile.
   * @throws the errors of `Backend`; the other rows are canceled then.
   */
  async draw(variants) {
    const signal = this.#asking.start();
    this.#rows.replaceChildren();
    this.#done = [];
    this.#show(true);
    const count = () => {
      const counts = { done: formatNumber(this.#done.length), all: formatNumber(variants.length) };
      this.#state.textContent = t("Drawing: {done} of {all} rows are there", counts);
    };
    count();
    try {
      const rows = await Promise.all(
        variants.map(async (variant) => {
          const row = await this.#row(variant, signal);
          if (!signal.aborted) this.#done.push(row);
          if (!signal.aborted) count();
          return row;
        }),
      );
      if (signal.aborted) return [];
      this.#done = rows;
      this.#state.textContent = "";
      this.#show(false);
      return rows;
    } catch (error) {
      if (signal.aborted) return [];
      this.#asking.start(); // cancels the other rows
      this.#state.textContent = "";
      this.#show(false);
      throw error;
    }
  }

  /**
   * Draw one row.
   *
   * @param {Variant} variant
   * @param {AbortSignal} signal
   * @returns {Promise<Row>}
   */
  async #row({ label, note, model, wish }, signal) {
    const tiles = new Tiles();
    const facts = el("span", { class: "hint" }, note);
    this.#rows.append(el("div", { class: "row" }, el("p", {}, el("strong", {}, label), " ", facts), tiles.element));
    const openFrom = (/** @type {Job} */ job) => {
      tiles.onOpen = (sample) => new Lightbox(this.#shared, job, tiles.paintings, {}).open(sample);
    };
    const onJob = (/** @type {Job} */ job) => {
      openFrom(job);
      const isLaid = tiles.lay(job, {});
      tiles.element.style.setProperty("--columns", String(job.n));
      tiles.element.style.setProperty("--tile", `${Math.max(1, Math.floor(MOST_SIDE / job.width)) * job.width}px`);
      return isLaid;
    };
    // Empty tiles are laid at once, so that rows do not move when their jobs begin.
    onJob(/** @type {any} */ ({ kind: "sample", ...model, ...wish }));
    const how = { signal, onJob, onRow: (/** @type {any} */ row) => tiles.put(row) };
    const { job } = await this.#shared.backend.sample(model, wish, how);
    tiles.rest();
    openFrom(job);
    return { label, tiles, job };
  }

  /** Cancel all rows. */
  #stop() {
    this.#asking.start();
    this.#show(false);
    this.#state.textContent = t("Canceled.");
  }

  /**
   * Show the buttons that make sense now.
   *
   * @param {boolean} isBusy
   */
  #show(isBusy) {
    this.#cancel.hidden = !isBusy;
    this.#save.hidden = isBusy || !this.#done.length;
  }

  /** Save all rows with their labels as one enlarged picture. */
  #saveAll() {
    const width = Math.max(...this.#done.map(({ job }) => job.n * (job.width + 1) * SCALE));
    const heights = this.#done.map(({ job }) => LABEL + (job.height + 1) * SCALE);
    const height = heights.reduce((sum, one) => sum + one, 0);
    const sheet = blankCanvas(width, height);
    const brush = contextOf(sheet);
    brush.fillStyle = "#ffffff";
    brush.fillRect(0, 0, width, height);
    // Pixels stay squares when they are enlarged.
    brush.imageSmoothingEnabled = false;
    brush.font = "20px system-ui, sans-serif";
    brush.fillStyle = "#21201d";
    let top = 0;
    this.#done.forEach(({ label, tiles, job }, i) => {
      brush.fillText(label, 4, top + 24);
      tiles.paintings.forEach(({ canvas }, column) => {
        const left = column * (job.width + 1) * SCALE;
        brush.drawImage(canvas, left, top + LABEL, job.width * SCALE, job.height * SCALE);
      });
      top += heights[i];
    });
    sheet.toBlob((blob) => blob && save(blob, `comparison-${this.#done[0].job.seed}.png`), "image/png");
  }
}
