/** A job on the page: where it stands, its images as they are drawn, and the way to stop it. */

import { rankingOf, receiptOf } from "./api.js";
import { announce, el } from "./dom.js";
import { follow } from "./events.js";
import { remembered } from "./history.js";
import { Lightbox } from "./lightbox.js";
import { explain, Problem } from "./problems.js";
import { dataUrlOf, pixelsOf, save } from "./raster.js";
import { thumbnailOf } from "./thumbnail.js";
import { Tiles } from "./tiles.js";
import { quality, standing } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {History} from "./history.js" */
/** @import {Given, Job, Receipt, ServerEvent} from "./types" */

const LOOK_MS = 1500;
const NARROW = "(max-width: 860px)";

export class JobBoard {
  /** @param {Api} api @param {History} history */
  constructor(api, history) {
    this.#api = api;
    this.#history = history;
    this.#status = el("p", { class: "standing", role: "status" });
    this.#bar = el("progress", { max: 1, value: 0, "aria-label": "Progress" });
    this.#cancel = quietButton("Cancel", () => this.#stop());
    const replay = quietButton("Replay", () => this.#tiles.replay());
    const all = quietButton("Save all", () => this.#save());
    this.#afterwards = el("span", { class: "afterwards", hidden: true }, replay, all);
    this.#tiles.onOpen = (sample) => this.#open(sample);
    this.element = el(
      "div",
      { class: "board" },
      el("div", { class: "board-head" }, this.#status, this.#cancel, this.#afterwards),
      this.#bar,
      this.#tiles.element,
    );
  }

  #api;
  #history;
  #status;
  #bar;
  #cancel;
  #afterwards;
  #tiles = new Tiles();
  /** @type {Job | null} */
  #job = null;
  /** @type {Given} */
  #given = {};
  #watched = "";
  #leave = new AbortController();

  /**
   * Show this job from its first row on, until it ends or another one is shown. Never throws: trouble is said here.
   *
   * @param {string} id
   */
  async watch(id) {
    if (id === this.#watched) return;
    this.#leave.abort();
    this.#watched = id;
    this.#leave = new AbortController();
    const { signal } = this.#leave;
    this.#given = this.#history.get(id)?.given ?? {};
    this.#job = null;
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
      if (!this.#job) this.#tiles.clear();
      this.#ended(explain(error).text, "failed");
    }
  }

  /** @param {ServerEvent} event */
  async #take(event) {
    if (event.name === "snapshot") await this.#begin(event.data);
    else if (event.name === "row") this.#tiles.put(event.data);
    else if (event.name === "progress") this.#progress(event.data.progress);
    else if (event.name === "error" && !event.data.id) this.#ended(explain(new Problem(event.data)).text, "failed");
    else if (["done", "error", "canceled"].includes(event.name)) this.#finish(event.data);
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
    this.#say(job.finished_at ? "Loading…" : standing(job), "busy");
    this.#cancel.hidden = Boolean(job.finished_at);
    this.#progress(job.progress);
  }

  /** Empty tiles, with what was given in its place: this browser knows it, or the server does. @param {Job} job */
  async #lay(job) {
    if (job.kind === "upsample" && !this.#given.image) {
      const url = URL.createObjectURL(await this.#api.image(job.id, { stage: "small" }));
      this.#given = { image: dataUrlOf(await pixelsOf(url)) };
      URL.revokeObjectURL(url);
    }
    await this.#tiles.lay(job, this.#given);
    if (matchMedia(NARROW).matches) this.element.scrollIntoView({ block: "start" });
  }

  /** @param {number} sample */
  #open(sample) {
    if (this.#job) new Lightbox(this.#api, this.#job, this.#tiles.paintings, this.#given).open(sample);
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
    this.#tiles.rest();
    this.#ended(standing(job), job.status);
    this.#afterwards.hidden = job.status !== "succeeded";
    const ranking = rankingOf(job);
    if (ranking) this.#tiles.rank(ranking);
    this.#remember(job);
    const receipt = receiptOf(job);
    if (receipt) this.#vouch(job, receipt);
    announce(this.#status.textContent ?? "");
  }

  /** Say how good the images are, and show how uncertain each pixel was. @param {Job} job @param {Receipt} receipt */
  async #vouch(job, receipt) {
    this.#status.textContent = `${standing(job)} · ${quality(receipt)}`;
    const { signal } = this.#leave;
    try {
      const url = URL.createObjectURL(await this.#api.entropy(job.id));
      const picture = await pixelsOf(url);
      URL.revokeObjectURL(url);
      if (!signal.aborted) this.#tiles.showMap("Uncertain where bright", picture);
    } catch {
      // the images are there without it
    }
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

  /** All images in one picture. */
  async #save() {
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
      await this.#api.cancel(this.#job.id);
    } catch (error) {
      this.#say(explain(error).text, "waiting");
    } finally {
      this.#cancel.disabled = false;
    }
  }

  /** @param {Job} job */
  #remember(job) {
    const thumbnail = thumbnailOf(this.#tiles.paintings.map((painting) => painting.canvas));
    this.#history.keep(remembered(job, this.#given, thumbnail));
  }
}

/** @param {string} text @param {() => void} act */
function quietButton(text, act) {
  return el("button", { type: "button", class: "quiet", on: { click: act } }, text);
}
