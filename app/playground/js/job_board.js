/** A job on the page: where it stands, its images as they are drawn, and the way to stop it. */

import { announce, el } from "./dom.js";
import { follow } from "./events.js";
import { remembered } from "./history.js";
import { Lightbox } from "./lightbox.js";
import { Painting } from "./painting.js";
import { explain, Problem } from "./problems.js";
import { canvasOf, fitted, holeOf, load, pixelsOf, save } from "./raster.js";
import { thumbnailOf } from "./thumbnail.js";
import { ordinal, standing } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {History} from "./history.js" */
/** @import {Given, Job, JobResult, RowEvent, ServerEvent} from "./types" */

const LOOK_MS = 1500;
/** How long a second look takes: a moment for each row, up to this. */
const AGAIN_MS = 4000;
const ROW_MS = 50;
const GAP = 12;
const CRISP = 4;
const NARROW = "(max-width: 860px)";
const MOST_ROOM = 780;
const MARKER = /** @type {const} */ ([79, 124, 255]);

export class JobBoard {
  /** @param {Api} api @param {History} history */
  constructor(api, history) {
    this.#api = api;
    this.#history = history;
    this.#status = el("p", { class: "standing", role: "status" });
    this.#bar = el("progress", { max: 1, value: 0, "aria-label": "Progress" });
    this.#cancel = el("button", { type: "button", class: "quiet" }, "Cancel");
    this.#cancel.addEventListener("click", () => this.#stop());
    const again = el("button", { type: "button", class: "quiet" }, "Watch again");
    again.addEventListener("click", () => this.#watchAgain());
    const all = el("button", { type: "button", class: "quiet" }, "Download all");
    all.addEventListener("click", () => this.#download());
    this.#afterwards = el("span", { class: "afterwards", hidden: true }, again, all);
    this.#tiles = el("div", { class: "tiles" });
    this.element = el(
      "div",
      { class: "board" },
      el("div", { class: "board-head" }, this.#status, this.#cancel, this.#afterwards),
      this.#bar,
      this.#tiles,
    );
  }

  #api;
  #history;
  #status;
  #bar;
  #cancel;
  #afterwards;
  #tiles;
  /** @type {Job | null} */
  #job = null;
  /** @type {Given} */
  #given = {};
  /** @type {Painting[]} */
  #paintings = [];
  /** All that have come, for a second look. @type {RowEvent[]} */
  #rows = [];
  /** @type {ImageData | null} */
  #ground = null;
  /** The small image that was given. @type {ImageData | null} */
  #small = null;
  #watched = "";
  #leave = new AbortController();
  #frame = 0;

  /**
   * Show this job from its first row on, until it ends or another one is shown. Never throws: trouble is said here.
   *
   * @param {string} id
   * @param {Given} [given]
   */
  async watch(id, given = this.#history.get(id)?.given ?? {}) {
    if (id === this.#watched) return;
    this.#close();
    this.#watched = id;
    this.#leave = new AbortController();
    const { signal } = this.#leave;
    this.#given = given;
    this.#job = null;
    this.#rows = [];
    this.#bar.value = 0;
    this.#cancel.hidden = true;
    this.#afterwards.hidden = true;
    this.#say("Connecting…", "busy");
    try {
      for await (const event of follow(this.#api, id, signal, (back) => this.#connection(back))) {
        await this.#take(event);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#watched = "";
      if (!this.#job) this.#tiles.replaceChildren();
      this.#ended(explain(error).text, "failed");
    }
  }

  /** Look no further; the job itself goes on. */
  #close() {
    this.#leave.abort();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  /** @param {ServerEvent} event */
  async #take(event) {
    if (event.name === "snapshot") await this.#begin(event.data);
    else if (event.name === "row") this.#put(event.data);
    else if (event.name === "progress") this.#progress(event.data.progress);
    else if (event.name === "error" && !event.data.id) this.#ended(explain(new Problem(event.data)).text, "failed");
    else if (["done", "error", "canceled"].includes(event.name)) this.#finish(event.data);
  }

  /** @param {RowEvent} row */
  #put(row) {
    this.#rows.push(row);
    this.#paintings[row.sample]?.put(row);
    this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.#frame = 0;
    for (const painting of this.#paintings) painting.show(MARKER);
  }

  /** The stream begins, or begins again. @param {Job} job */
  async #begin(job) {
    const isNew = this.#job === null;
    this.#job = job;
    if (isNew) {
      await this.#lay(job);
      this.#remember(job);
      this.#look();
    }
    this.#say(standing(job), "busy");
    this.#cancel.hidden = false;
    this.#progress(job.progress);
  }

  /** Empty tiles, with what was given in its place. @param {Job} job */
  async #lay(job) {
    this.#ground = await this.#groundOf(job);
    this.#small = null;
    this.#paintings = this.#blankPaintings(job);
    this.#tiles.replaceChildren(...this.#paintings.map((painting, sample) => this.#tile(painting, sample)));
    const count = job.n + (job.kind === "sample" ? 0 : 1);
    const { columns, side } = tileSide(count, job.width, this.element.clientWidth);
    this.#tiles.style.setProperty("--tile", `${side}px`);
    this.#tiles.style.setProperty("--columns", String(columns));
    if (job.kind === "complete" && this.#given.image) await this.#showOriginal("Original", this.#given.image);
    if (job.kind === "upsample") await this.#showSmall(job);
    if (matchMedia(NARROW).matches) this.element.scrollIntoView({ block: "start" });
  }

  /** @param {Job} job */
  #blankPaintings(job) {
    const paintings = Array.from({ length: job.n }, () => new Painting(job, this.#ground));
    if (this.#small) for (const painting of paintings) painting.giveSmall(this.#small);
    return paintings;
  }

  /** What is kept of the given image; transparent where it is to be drawn. @param {Job} job */
  async #groundOf(job) {
    const { image, mask } = this.#given;
    if (job.kind !== "complete" || !image || !mask) return null;
    const ground = await pixelsOf(image, job);
    holeOf(await pixelsOf(mask, job)).forEach((filled, i) => {
      if (filled) ground.data[4 * i + 3] = 0;
    });
    return ground;
  }

  /** @param {Job} job */
  async #showSmall(job) {
    const url = this.#given.image ?? URL.createObjectURL(await this.#api.image(job.id, { stage: "small" }));
    this.#small = fitted(await load(url), { width: job.small_width, height: job.small_height });
    for (const painting of this.#paintings) painting.giveSmall(this.#small);
    await this.#showOriginal(`Given, ${job.small_width} × ${job.small_height}`, url);
  }

  /** @param {string} caption @param {string} url */
  async #showOriginal(caption, url) {
    const canvas = canvasOf(await pixelsOf(url));
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", caption);
    this.#tiles.prepend(el("div", { class: "tile original" }, canvas, el("span", { class: "caption" }, caption)));
  }

  /** @param {Painting} painting @param {number} sample */
  #tile(painting, sample) {
    const button = el("button", { type: "button", class: "tile", "aria-label": `Image ${sample + 1}: open large` });
    button.dataset.sample = String(sample);
    button.append(painting.canvas, el("span", { class: "caption" }));
    button.addEventListener("click", () => this.#open(sample));
    return button;
  }

  /** @param {number} sample */
  #open(sample) {
    if (this.#job) new Lightbox(this.#api, this.#job, this.#paintings, this.#given).open(sample);
  }

  /** @param {number} share */
  #progress(share) {
    this.#bar.value = share;
    if (this.#job && share > 0 && !this.#job.finished_at) {
      this.#job.progress = Math.max(share, this.#job.progress);
      this.#job.status = "running";
      this.#status.textContent = standing(this.#job);
    }
  }

  /** Places in the queue and estimates are not in the stream: ask for them while it lasts. */
  async #look() {
    const { signal } = this.#leave;
    while (!signal.aborted && this.#job && !this.#job.finished_at) {
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      if (signal.aborted || this.#job.finished_at) return;
      try {
        const seen = await this.#api.job(this.#job.id);
        if (signal.aborted || this.#job.finished_at || seen.finished_at) continue;
        this.#job = { ...seen, progress: Math.max(seen.progress, this.#bar.value) };
        this.#status.textContent = standing(this.#job);
      } catch {
        // the stream says when the connection is lost, and when the job is gone
      }
    }
  }

  /** @param {boolean} isBack */
  #connection(isBack) {
    if (!isBack) this.#say("The connection is lost. Trying again; nothing that is drawn gets lost…", "waiting");
    else if (this.#job) this.#say(standing(this.#job), "busy");
  }

  /** @param {Job} job */
  #finish(job) {
    this.#job = job;
    cancelAnimationFrame(this.#frame);
    this.#paint();
    for (const painting of this.#paintings) painting.rest(this.#ground);
    this.#ended(standing(job), job.status);
    this.#afterwards.hidden = job.status !== "succeeded";
    if (job.result?.ranking) this.#rank(job.result.ranking);
    this.#remember(job);
    announce(standing(job));
  }

  /** The likeliest first. @param {NonNullable<JobResult["ranking"]>} ranking */
  #rank(ranking) {
    ranking.forEach(({ sample, nats }, place) => {
      const tile = this.#tiles.querySelector(`[data-sample="${sample}"]`);
      if (!tile) return;
      const caption = tile.querySelector(".caption");
      const name = place === 0 ? "Likeliest" : ordinal(place + 1);
      if (caption) caption.textContent = `${name} · ${nats.toFixed(1)} nats`;
      this.#tiles.append(tile);
    });
  }

  /** @param {string} text @param {string} state */
  #ended(text, state) {
    this.#say(text, state);
    this.#cancel.hidden = true;
  }

  /** @param {string} text @param {string} state */
  #say(text, state) {
    this.#status.textContent = text;
    this.element.dataset.state = state;
  }

  /** The rows again, in the order in which they came, slowly enough for the eye. */
  #watchAgain() {
    if (!this.#job) return;
    cancelAnimationFrame(this.#frame);
    const before = this.#paintings;
    this.#paintings = this.#blankPaintings(this.#job);
    this.#paintings.forEach((painting, sample) => {
      painting.likelihood = before[sample].likelihood;
      before[sample].canvas.replaceWith(painting.canvas);
    });
    const lasts = Math.min(AGAIN_MS, ROW_MS * this.#rows.length);
    const begun = performance.now();
    let next = 0;
    const step = (/** @type {number} */ now) => {
      const due = Math.min(this.#rows.length, Math.ceil(((now - begun) / lasts) * this.#rows.length));
      for (; next < due; next += 1) this.#paintings[this.#rows[next].sample]?.put(this.#rows[next]);
      this.#paint();
      if (next < this.#rows.length) this.#frame = requestAnimationFrame(step);
    };
    this.#frame = requestAnimationFrame(step);
  }

  /** All images in one picture. */
  async #download() {
    if (!this.#job) return;
    const { id, model, seed } = this.#job;
    try {
      save(await this.#api.image(id, { grid: true }), `${model}-${seed}.png`);
    } catch (error) {
      this.#say(explain(error).text, "failed");
    }
  }

  async #stop() {
    if (!this.#job) return;
    this.#cancel.disabled = true;
    try {
      await this.#api.remove(this.#job.id);
    } catch (error) {
      this.#say(explain(error).text, "waiting");
    } finally {
      this.#cancel.disabled = false;
    }
  }

  /** @param {Job} job */
  #remember(job) {
    const thumbnail = thumbnailOf(this.#paintings.map((painting) => painting.canvas));
    this.#history.keep(remembered(job, this.#given, thumbnail));
  }
}

/**
 * The side of a tile in CSS pixels, so that all of them make a square that fits: a whole multiple of the image's
 * width where that wastes little.
 *
 * @param {number} count
 * @param {number} width
 * @param {number} room
 */
function tileSide(count, width, room) {
  const columns = Math.max(2, Math.ceil(Math.sqrt(count)));
  const most = Math.floor((Math.min(room, MOST_ROOM) + GAP) / columns) - GAP;
  const scale = Math.floor(most / width);
  return { columns, side: scale < CRISP ? most : scale * width };
}
