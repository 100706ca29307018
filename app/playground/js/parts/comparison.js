/** Rows of images from the same throws of the dice: of several models, or of one at several temperatures. */

import { el } from "./dom.js";
import { formatNumber, t } from "../lang.js";
import { Lightbox } from "./lightbox.js";
import { blankCanvas, contextOf, save } from "../pixels/raster.js";
import { LatestRequest } from "../signal.js";
import { Tiles } from "./tiles.js";

/** @import {Job, Model, Shared, DrawOptions} from "../types" */

const MOST_SIDE = 112;
/** Of the saved picture, for each pixel of an image. */
const SCALE = 8;
const LABEL = 34;

/**
 * @typedef {{label: string, note: string, model: Model, wish: DrawOptions}} Variant what a row is drawn with
 * @typedef {{label: string, tiles: Tiles, job: Job}} Row
 */

export class Comparison {
  /** @param {Shared} shared */
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

  /** Draw them all, side by side in time. @param {Variant[]} variants @returns {Promise<Row[]>} none where others were asked for meanwhile */
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
      return rows;
    } catch (error) {
      if (signal.aborted) return [];
      this.#asking.start(); // nobody waits for the others
      this.#state.textContent = "";
      throw error;
    } finally {
      if (!signal.aborted || !this.#done.length) this.#show(false);
    }
  }

  /** @param {Variant} variant @param {AbortSignal} signal @returns {Promise<Row>} */
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
    onJob(/** @type {any} */ ({ kind: "sample", ...model, ...wish })); // it has its place at once
    const how = { signal, onJob, onRow: (/** @type {any} */ row) => tiles.put(row) };
    const { job } = await this.#shared.backend.sample(model, wish, how);
    tiles.rest();
    openFrom(job);
    return { label, tiles, job };
  }

  /** Rows that nobody waits for. */
  #stop() {
    this.#asking.start();
    this.#show(false);
    this.#state.textContent = t("Canceled.");
  }

  /** @param {boolean} isBusy */
  #show(isBusy) {
    this.#cancel.hidden = !isBusy;
    this.#save.hidden = isBusy || !this.#done.length;
  }

  /** All rows under their names, large enough to be shown to others. */
  #saveAll() {
    const width = Math.max(...this.#done.map(({ job }) => job.n * (job.width + 1) * SCALE));
    const heights = this.#done.map(({ job }) => LABEL + (job.height + 1) * SCALE);
    const height = heights.reduce((sum, one) => sum + one, 0);
    const sheet = blankCanvas(width, height);
    const brush = contextOf(sheet);
    brush.fillStyle = "#ffffff";
    brush.fillRect(0, 0, width, height);
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
