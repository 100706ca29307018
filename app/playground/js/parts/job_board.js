/**
 * A job on the page: its state, its images as they are drawn, and what can be done with
 * them.
 */

import { labelsOf, rankingOf, receiptOf } from "../service/api.js";
import { announce, el, find } from "./dom.js";
import { modelOf } from "../service/choice.js";
import { FollowedJob } from "../service/followed_job.js";
import { historyEntry } from "../service/history.js";
import { icon } from "./icons.js";
import { t } from "../lang.js";
import { Lightbox } from "./lightbox.js";
import { explain } from "../service/problems.js";
import { dataUrlOfFile, gridOf, pictureOf, pixelsOf, pngOf, save } from "../pixels/raster.js";
import { fingerprint, linkTo, previewAddress } from "../service/share.js";
import { thumbnailOf } from "../pixels/thumbnail.js";
import { Tiles } from "./tiles.js";
import { MODEL_AWAY, originLine, holeQualities, images, qualityWords, quality, statusLine } from "../service/words.js";

/** @import {EstimateEvent, JobInput, JobResult, Job, Model, Receipt, Recipe, RowEvent, ServerEvent, Shared} from "../types" */

/** Screens on which the images are scrolled into sight. */
const NARROW = "(max-width: 860px)";
/** @type {{jobId: string, recipe: Recipe | null, given: JobInput | null}} */
const NOTHING_EXPECTED = { jobId: "", recipe: null, given: null };

/**
 * Shows one job at a time: state, progress, images, links and downloads.
 *
 * Errors are shown as sentences and not raised. The board keeps its jobs in the history.
 */
export class JobBoard {
  /** @param {Shared} shared */
  constructor(shared) {
    this.#shared = shared;
    this.#api = shared.api;
    this.#history = shared.history;
    this.#status = el("p", { class: "standing", role: "status" });
    this.#bar = el("progress", { max: 1, value: 0, "aria-label": t("Progress") });
    this.#origin = el("p", { class: "hint origin" });
    this.#cancel = quietButton(t("Cancel"), () => this.#stop());
    this.#harder = quietButton(t("Try harder"), () => this.#job && this.onHarder(this.#job, this.#given));
    this.#replay = quietButton(t("Replay"), () => this.#tiles.replay(), "again");
    const all = quietButton(t("Save all"), () => this.#save({ grid: true }), "download");
    const zip = quietButton(t("Zip"), () => this.#save({ format: "zip" }), "download");
    this.#zip = zip;
    this.#link = quietButton(t("Copy link"), () => this.#copyLink(), "copy");
    this.#afterwards = el("span", { class: "afterwards", hidden: true }, this.#replay, all, zip, this.#link);
    this.#tiles.onOpen = (sample) => {
      if (!this.#job) return;
      // Until the service has a result, the lightbox shows what this browser found.
      const job = { ...this.#job, result: this.#job.result ?? this.#browserResult };
      new Lightbox(shared, job, this.#tiles.paintings).open(sample);
    };
    shared.models.watch(() => this.#jobId && this.#job && !this.#job.finished_at && this.#tell(this.#job));
    shared.isOnline.watch((isBack) => isBack && this.#onBack());
    this.element = el(
      "div",
      { class: "board" },
      el("div", { class: "board-head" }, this.#status, this.#harder, this.#cancel, this.#afterwards),
      this.#bar,
      this.#origin,
      this.#tiles.element,
    );
  }

  /** Called with a job when its first event arrives, and with the pictures that it was given. @type {(job: Job, given: JobInput) => void} */
  onFound = () => {};
  /** Called with the expected value of each pixel of a completion, as it changes. @type {(mean: ImageData, job: Job) => void} */
  onExpect = () => {};
  /** Called with a completion that the person wants to be drawn again with more particles. @type {(job: Job, given: JobInput) => void} */
  onHarder = () => {};

  #shared;
  #api;
  #history;
  #origin;
  #status;
  #bar;
  #cancel;
  #harder;
  #afterwards;
  #replay;
  /** Button for an archive, which only a service makes. */
  #zip;
  #tiles = new Tiles();
  /** @type {Job | null} */
  #job = null;
  /** @type {JobInput} */
  #given = {};
  #jobId = "";
  #scrollsIntoView = false;
  /** Result of this browser, if it drew all images while the job waited at the service. @type {JobResult | null} */
  #browserResult = null;
  /** Called when the service is back. */
  #onBack = () => {};
  #link;
  /** Link from which the images are drawn; its bytes are compared. @type {Recipe | null} */
  #recipe = null;
  /** Given pictures of this job, if they are too large for the history. @type {JobInput | null} */
  #largeGiven = null;
  /** What `expect` has set for the next job, and the id of that job. */
  #expected = NOTHING_EXPECTED;
  #leave = new AbortController();
  /** Ends the drawing of this browser when the service's job has ended. */
  #helping = new AbortController();

  /**
   * Show a job of the service from its first row on, until it ends or another one is
   * shown.
   *
   * @param {string} id If it is shown already, nothing happens.
   * @param {boolean} isSought - Whether to scroll the images into sight when they have
   *     their places.
   */
  async watch(id, isSought = matchMedia(NARROW).matches) {
    if (id === this.#jobId) return;
    this.#scrollsIntoView = isSought;
    const signal = this.begin(t("Connecting…"), id);
    this.#jobId = id;
    this.#given = this.#history.get(id)?.given ?? {};
    const followed = new FollowedJob(this.#api, id);
    followed.onConnection = (isBack) => this.#connection(isBack);
    followed.onLook = (job) => this.#tell((this.#job = job));
    try {
      for await (const event of followed.events(signal)) {
        await this.#take(event, /** @type {Job} */ (followed.job));
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#jobId = "";
      // A job that was never found leaves no tiles of the one before.
      if (!this.#job) this.#tiles.element.replaceChildren();
      this.#sayEnd(explain(error).text, "failed");
    }
  }

  /**
   * Clear the board and show a sentence.
   *
   * @param {string} words
   * @param {string} jobId - Id of the job that is shown next; "" if this browser draws.
   * @returns {AbortSignal} A signal that is aborted when something else is shown.
   */
  begin(words, jobId = "") {
    this.#leave.abort();
    this.#leave = new AbortController();
    // Another job than the expected one is compared with no link.
    const { recipe, given } = this.#expected.jobId === jobId ? this.#expected : NOTHING_EXPECTED;
    this.#recipe = recipe;
    this.#largeGiven = given;
    this.#expected = NOTHING_EXPECTED;
    this.#jobId = "";
    this.#browserResult = null;
    this.#onBack = () => {};
    this.#job = null;
    this.#given = {};
    this.#bar.value = 0;
    for (const element of [this.#cancel, this.#harder, this.#afterwards]) element.hidden = true;
    find(this.#link, "span").textContent = t("Copy link");
    this.#origin.textContent = "";
    this.#say(words, "busy");
    return this.#leave.signal;
  }

  /**
   * Set what the next job is compared with, and the pictures that it is given.
   *
   * @param {Recipe | null} recipe - Link from which it is drawn; null for none.
   * @param {JobInput | null} given - Pictures that are too large to be kept in the
   *     history; null for none.
   * @param {string} jobId - Id of that job; "" if this browser draws.
   */
  expect(recipe, given, jobId) {
    this.#expected = { jobId, recipe, given };
  }

  /**
   * @param {ServerEvent} event
   * @param {Job} job - State of the job after the event.
   */
  async #take({ name, data }, job) {
    if (name === "snapshot") await this.#begin(job);
    else if (name === "row") this.#tiles.put(data);
    else if (name === "progress") this.#progress(job);
    else if (name === "estimate") this.#expect(data, job);
    else if (["done", "error", "canceled"].includes(name)) this.#finish(job);
  }

  /**
   * Show the job when its stream begins, or begins again.
   *
   * @param {Job} job
   */
  async #begin(job) {
    const isNew = this.#job === null;
    const { signal } = this.#leave;
    this.#job = job;
    if (isNew) {
      this.#origin.textContent = originLine(job, this.#shared.models.value);
      await this.#lay(job);
      if (signal.aborted) return;
      this.#remember(job);
      this.onFound(job, this.#given);
      this.#help(job);
    }
    if (job.finished_at) this.#say(t("Loading…"), "busy");
    else this.#tell(job);
    this.#cancel.hidden = Boolean(job.finished_at);
    this.#bar.value = job.progress;
  }

  /**
   * Lay empty tiles with the given pictures in their place.
   *
   * @param {Job} job
   */
  async #lay(job) {
    const { signal } = this.#leave;
    const given = this.#largeGiven ?? (job.cutouts ? {} : await givenOf(this.#shared, job));
    if (signal.aborted) return;
    this.#given = given;
    await this.#tiles.lay(job, given);
    if (this.#scrollsIntoView) this.element.scrollIntoView({ block: "start" });
  }

  /**
   * Show the expected values of a completion.
   *
   * @param {EstimateEvent} estimate
   * @param {Job} job
   */
  #expect(estimate, job) {
    const mean = this.#tiles.showMean(estimate, job);
    if (mean) this.onExpect(mean, job);
    this.#progress(job);
  }

  /** @param {Job} job */
  #progress(job) {
    this.#job = job;
    this.#bar.value = job.progress;
    this.#tell(job);
  }

  /**
   * Draw a job in this browser while it waits at the service.
   *
   * @param {Job} job
   */
  async #help(job) {
    const { signal } = this.#leave;
    const isWaiting = () => !signal.aborted && !this.#job?.finished_at && this.#bar.value === 0;
    const onRow = (/** @type {RowEvent} */ row) => this.#tiles.put(row);
    this.#helping = new AbortController();
    const how = {
      signal: AbortSignal.any([signal, this.#helping.signal]),
      onRow,
      onBegin: () => this.#sayHere(),
    };
    const result = await this.#shared.backend.help(job, this.#given, how, isWaiting);
    if (!result || signal.aborted || this.#job?.finished_at) return;
    // All images are shown, however far the service is.
    this.#browserResult = result;
    this.#offer({ files: false });
    this.#tell(job);
  }

  /**
   * Draw in this browser and show the images. When a service that was away is back,
   * compare its images.
   *
   * @param {"sample" | "complete"} kind
   * @param {Model} model
   * @param {any} wish - Options of the engine.
   * @param {boolean} isAsked - False for an example that is shown before the person
   *     asked for anything.
   * @returns {Promise<string>} The link that draws the images again; "" if nothing was
   *     drawn.
   */
  async drawHere(kind, model, wish, isAsked) {
    const signal = this.begin(isAsked ? t("Drawing…") : "");
    const onJob = (/** @type {Job} */ job, /** @type {JobInput} */ given) => {
      this.#given = given;
      this.#origin.textContent = originLine(job, this.#shared.models.value);
      this.#sayHere();
      return this.#tiles.lay(job, given);
    };
    try {
      const how = { signal, onJob, onRow: (/** @type {RowEvent} */ row) => this.#tiles.put(row) };
      const { job, mean } = await this.#shared.backend.browser[kind](model, wish, how);
      if (signal.aborted) return "";
      this.#tiles.rest();
      this.#job = job;
      if (isAsked) this.#offer({ files: false });
      // While the model is compiled the service is there, only slow.
      const isAway = isAsked && this.#api.hasService && !model.compiling;
      const receipt = receiptOf(job);
      const sentences = [statusLine(job), receipt && quality(receipt), isAway && t("The service is away.")];
      this.#sayEnd(isAsked ? sentences.filter(Boolean).join(" · ") : "", "succeeded");
      this.#tiles.addQualities(qualityWords(receipt));
      if (mean) this.onExpect(mean, job);
      if (isAway) this.#onBack = () => this.#checkThere(kind, model, wish, signal);
      if (this.#recipe?.sha256) this.#verify(job, this.#recipe);
      return linkTo(job, this.#tiles.paintings, this.#given);
    } catch (error) {
      if (!signal.aborted) this.#sayEnd(isAsked ? explain(error).text : "", "failed");
      return "";
    }
  }

  /**
   * Let the service draw the same images and say whether they are equal.
   *
   * @param {"sample" | "complete"} kind
   * @param {Model} model
   * @param {any} wish
   * @param {AbortSignal} signal
   */
  async #checkThere(kind, model, wish, signal) {
    this.#onBack = () => {};
    const found = await this.#shared.backend.service[kind](model, wish, { signal }).catch(() => null);
    // The service is away again, or another job is shown.
    if (!found) return;
    const pictures = this.#tiles.paintings.map((painting) => painting.whole("final"));
    const isSame = found.images.every(({ data }, i) => String(data) === String(pictures[i]?.data));
    this.#sayEnd(t("Done: {images}", { images: images(pictures.length) }), "succeeded");
    this.#origin.append(" · ", isSame ? t("the service draws the same bytes") : t("the service draws other bytes"));
  }

  #sayHere() {
    const words = t("drawn in this browser: the same bytes");
    this.#origin.append(" · ", el("strong", {}, words));
    announce(words);
  }

  /**
   * Show the buttons for finished images.
   *
   * @param {{files: boolean}} which - `files`: whether to offer files that only a
   *     service makes.
   */
  #offer({ files }) {
    this.#afterwards.hidden = false;
    this.#zip.hidden = !files;
    // Of larger pictures there are no rows.
    this.#replay.hidden = Boolean(this.#job?.cutouts);
  }

  /**
   * Show whether the connection is lost.
   *
   * @param {boolean} isBack
   */
  #connection(isBack) {
    if (!isBack) this.#say(t("The connection is lost. Trying again; nothing that is drawn gets lost…"), "waiting");
    else if (this.#job) this.#tell(this.#job);
  }

  /**
   * Show the state of the job; no estimate is shown while its model is away.
   *
   * @param {Job} job
   */
  #tell(job) {
    const models = this.#shared.models.value;
    if (this.#browserResult) this.#say(t("Done: {images}", { images: images(job.n) }), "succeeded");
    else if (!models || models.some(({ name }) => name === job.model)) this.#say(statusLine(job), "busy");
    else this.#say(MODEL_AWAY, "waiting");
  }

  /** @param {Job} job */
  #finish(job) {
    this.#job = job;
    // A canceled job must not go on here.
    this.#helping.abort();
    this.#tiles.rest();
    this.#sayEnd(statusLine(job), job.status);
    if (job.rows_done) this.#offer({ files: true });
    if (job.cutouts) this.#showWhole(job);
    const ranking = rankingOf(job);
    if (ranking) this.#tiles.rank(ranking);
    this.#tiles.addLabels(labelsOf(job));
    if (ranking && this.#given.image) this.#compare(job, this.#given.image);
    // The person may have forgotten it while it was drawn.
    if (this.#history.get(job.id)) this.#remember(job);
    const receipt = receiptOf(job);
    if (receipt) this.#showQuality(job, receipt);
    this.#shared.backend.prepare(job);
    if (this.#recipe?.sha256 && job.status === "succeeded") this.#verify(job, this.#recipe);
    announce(this.#status.textContent ?? "");
  }

  /**
   * Show the finished larger pictures and how well their holes are filled.
   *
   * @param {Job} job
   */
  async #showWhole(job) {
    const { signal } = this.#leave;
    const words = (job.result?.type === "images" && job.result.cutouts) || [];
    if (words.length)
      this.#status.textContent = `${statusLine(job)} · ${holeQualities(words.map((one) => one.quality))}`;
    for (const [sample, painting] of this.#tiles.paintings.entries()) {
      const picture = await this.#api.image(job.id, { sample }).then(pictureOf, () => null);
      if (signal.aborted) return;
      if (picture) painting.replaceWith(picture);
    }
  }

  /**
   * Show how good the images are and how uncertain each pixel was.
   *
   * @param {Job} job
   * @param {Receipt} receipt
   */
  async #showQuality(job, receipt) {
    this.#status.textContent = `${statusLine(job)} · ${quality(receipt)}`;
    this.#harder.hidden = ["exact", "good"].includes(receipt.quality ?? "");
    this.#tiles.addQualities(qualityWords(receipt));
    const { signal } = this.#leave;
    try {
      const [mean, entropy] = await Promise.all(
        /** @type {const} */ (["mean", "entropy"]).map(async (of) => pictureOf(await this.#api.marginals(job.id, of))),
      );
      if (signal.aborted) return;
      this.#tiles.showMap(t("Uncertain where bright"), entropy);
      this.onExpect(mean, job);
    } catch {
      // The images are complete without these maps.
    }
  }

  /**
   * Score the original picture, and put it into its place in the ranking.
   *
   * @param {Job} job
   * @param {string} image - Data URL of the picture.
   */
  async #compare(job, image) {
    const { signal } = this.#leave;
    try {
      const model = modelOf(this.#shared.models.value, job);
      const label = typeof job.label === "string" ? job.label : undefined;
      const wish = { picture: await pixelsOf(image), label };
      const { score } = await this.#shared.backend.score(/** @type {Model} */ (model), wish, { signal });
      if (!signal.aborted) this.#tiles.rankOriginal(score.nats);
    } catch {
      // The completions are ranked without the original.
    }
  }

  /**
   * @param {string} text
   * @param {string} state
   */
  #sayEnd(text, state) {
    this.#say(text, state);
    this.#cancel.hidden = true;
  }

  /**
   * @param {string} text
   * @param {string} state - State of the board, which the style sheet uses.
   */
  #say(text, state) {
    this.#status.textContent = text;
    this.element.dataset.state = state;
  }

  /**
   * Say whether the images are those that the link states.
   *
   * @param {Job} job
   * @param {Recipe} expected
   */
  async #verify(job, expected) {
    this.#recipe = null;
    const { signal } = this.#leave;
    const found = await fingerprint(this.#tiles.paintings);
    if (found && !signal.aborted) this.#origin.append(" · ", el("strong", {}, verdict(found, job, expected)));
  }

  /** Copy a link that draws the images again. */
  async #copyLink() {
    if (!this.#job) return;
    const link = await linkTo(this.#job, this.#tiles.paintings, this.#given);
    const { hasService, hasKey } = this.#api;
    // Only a service answers the address that has a preview.
    const address = hasService && !hasKey ? previewAddress(link) : `#${link}`;
    try {
      await navigator.clipboard.writeText(new URL(address, location.href).href);
      find(this.#link, "span").textContent = t("Copied.");
      announce(t("Copied."));
    } catch {
      // The person can copy the link from the address then.
      location.hash = link;
    }
  }

  /**
   * Save all images: as one picture, or each in a file of its own in an archive.
   *
   * @param {{grid?: true, format?: "zip"}} how
   */
  async #save(how) {
    if (!this.#job) return;
    const { id, model, seed, finished_at: isFinished } = this.#job;
    try {
      const file = id && isFinished ? await this.#api.image(id, how) : await this.#gridHere();
      save(file, `${model}-${seed}.${how.format ?? "png"}`);
    } catch (error) {
      this.#say(explain(error).text, "failed");
    }
  }

  /**
   * Return the images in one picture, made by this browser while the service has not
   * drawn them.
   */
  #gridHere() {
    const pictures = this.#tiles.paintings.map((painting) => painting.whole("final"));
    return pngOf(gridOf(pictures.filter((picture) => picture !== null)));
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

  /**
   * Keep the job in the history.
   *
   * @param {Job} job
   */
  #remember(job) {
    const thumbnail = thumbnailOf(this.#tiles.paintings.map((painting) => painting.canvas));
    this.#history.keep(historyEntry(job, this.#given, thumbnail));
  }
}

/**
 * Return the pictures that a job was given: from this browser's history, else from the
 * server.
 *
 * @param {Shared} shared
 * @param {Job} job - Job of the service.
 * @returns {Promise<JobInput>} Data URLs; without `image` if the job has none or the
 *     server cannot return it.
 */
export async function givenOf({ api, history }, { id, kind }) {
  const kept = history.get(id)?.given ?? {};
  if (kind === "sample" || kept.image) return kept;
  try {
    const image = await dataUrlOfFile(await api.given(id, "image"));
    return kind === "complete" ? { image, mask: await dataUrlOfFile(await api.given(id, "mask")) } : { image };
  } catch {
    // An earlier server cannot return the pictures. The images can be shown without
    // them.
    return kept;
  }
}

/**
 * Return a sentence that compares images with those of a link.
 *
 * @param {string} found - SHA-256 of the images.
 * @param {Job} job
 * @param {Recipe} expected
 */
function verdict(found, { digest, identity }, expected) {
  if (found === expected.sha256) return t("drawn again here: the same bytes");
  if (expected.digest && expected.digest !== digest)
    return t("not the bytes of the link: other weights are served here");
  if (expected.identity && expected.identity !== identity)
    return t("not the bytes of the link: the model has changed since, but not its weights");
  return t("not the bytes of the link: they were drawn with another arithmetic, or from other settings");
}

/**
 * Return a small button.
 *
 * @param {string} text
 * @param {() => void} act
 * @param {string} [drawing] - Name of its icon.
 */
function quietButton(text, act, drawing) {
  const words = el("span", {}, text);
  return el("button", { type: "button", class: "quiet", on: { click: act } }, drawing ? icon(drawing) : null, words);
}
