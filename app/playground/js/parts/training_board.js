/**
 * A training on the page: its progress, the pictures that the network draws by now, its
 * learning curve, and its end.
 */

import { formatFixed, formatNumber, t } from "../lang.js";
import { modelsFor } from "../service/choice.js";
import { FollowedJob } from "../service/followed_job.js";
import { explain } from "../service/problems.js";
import { statusLine } from "../service/words.js";
import { LatestRequest } from "../signal.js";
import { lasting, passing } from "../storage.js";
import { dataUrlOf, dataUrlOfFile, save } from "../pixels/raster.js";
import { svg } from "./belief_plot.js";
import { announce, el } from "./dom.js";

/** @import {Job, Shared} from "../types" */

/** Beginning of the keys of learning curves in the tab's storage. */
const POINTS = "pixelrnn.curve.";
/** Key of the id of the training that this browser began last. */
export const OWN_TRAINING = "pixelrnn.training";
const [WIDTH, HEIGHT] = [400, 300];

/**
 * The service's reasons for an early end -> sentences.
 *
 * @type {Record<string, string>}
 */
const EARLY = {
  "it was asked to finish": t("it was asked to finish"),
  "it ended before its minutes, after 20 passes: more would only learn these pictures by heart": t(
    "it ended before its minutes, after 20 passes: more would only learn these pictures by heart",
  ),
};

/** Shows one training at a time. Errors are shown as sentences and not raised. */
export class TrainingBoard {
  /** @param {Shared} shared */
  constructor(shared) {
    this.#shared = shared;
    this.#finish.addEventListener("click", () => this.#end("finish"));
    this.#cancel.addEventListener("click", () => confirm(t("Nothing will be left of it.")) && this.#end("cancel"));
    this.#draw.addEventListener("click", () => this.#drawWith());
    this.#download.addEventListener("click", () => this.#saveModel());
    const buttons = el("span", { class: "actions" }, this.#finish, this.#cancel, this.#draw, this.#download);
    const head = el("div", { class: "board-head" }, this.#status, buttons);
    const looks = el("div", {}, el("div", {}, this.#grid), this.#curve);
    this.element.append(head, this.#bar, this.#facts, looks, this.#serverWords, this.#note);
    shared.models.watch(() => this.#lead());
  }

  element = el("div", { class: "training-board", hidden: true });
  #shared;
  #status = el("p", { class: "standing", role: "status" });
  #bar = el("progress", { max: 1, value: 0, "aria-label": t("Progress") });
  #finish = el("button", { type: "button" }, t("Finish now"));
  #cancel = el("button", { type: "button", class: "quiet" }, t("Cancel"));
  #facts = el("p");
  /** The server's own words, in English. */
  #serverWords = el("p", { class: "hint", lang: "en" });
  #draw = el("button", { type: "button", hidden: true }, t("Draw with it"));
  #download = el("button", { type: "button", hidden: true }, t("Take it home"));
  /** Sentence about the saved file. */
  #note = el("p", { class: "hint", role: "status" });
  #grid = el("img", { alt: t("Pictures that the network draws by now") });
  #curve = el("figure", { class: "hint" });
  /** Data of the newest `progress` event. @type {any} */
  #progress = {};
  #watching = new LatestRequest();
  #jobId = "";
  /** @type {Job | null} */
  #job = null;
  /** Learning curve: share of the training, and bits/dim at it. @type {[number, number][]} */
  #points = [];

  /** Whether a model after the start was scored: until then there is nothing to keep. */
  get #hasLearned() {
    return this.#points.some(([share]) => share > 0);
  }

  /**
   * Show a training until it ends or another one is shown.
   *
   * @param {string} id - Id of the job; "" for none.
   */
  async watch(id) {
    if (id === this.#jobId) return;
    const signal = this.#watching.start();
    this.#jobId = id;
    if (!id) return;
    this.#job = null;
    this.#progress = {};
    this.#points = JSON.parse(passing.get(POINTS + id) ?? "[]");
    this.#finish.disabled = !this.#hasLearned;
    this.element.hidden = false;
    for (const part of [this.#grid, this.#curve, this.#draw, this.#download]) part.hidden = true;
    this.#note.textContent = "";
    this.#serverWords.textContent = "";
    // A blank keeps the height of the line.
    this.#facts.textContent = "\u00a0";
    this.#status.textContent = t("Connecting…");
    // No event reports that a trainer has started, until the first progress.
    const followed = new FollowedJob(this.#shared.api, id, { needsLook: ({ progress }) => !progress });
    followed.onConnection = (isBack) => this.#tell(!isBack);
    followed.onLook = (job) => {
      this.#job = job;
      this.#tell();
    };
    try {
      for await (const { name, data } of followed.events(signal)) {
        const job = /** @type {Job} */ (followed.job);
        if (name === "progress") this.#advance(data, job);
        else if (name === "picture") this.#showProgress(data.png);
        else this.#know(job, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      this.#jobId = "";
      this.#status.textContent = explain(error).text;
    }
  }

  /**
   * Show the job after an event with its whole state.
   *
   * @param {Job} job
   * @param {AbortSignal} signal
   */
  async #know(job, signal) {
    this.#job = job;
    this.#describe();
    this.#tell();
    if (job.result?.type !== "training") return;
    this.#plot({ ...job.result, share: 1 });
    if (job.result.warning) this.#serverWords.textContent = job.result.warning;
    this.#lead();
    // A training may end before it has drawn a picture.
    const grid = await this.#shared.api.image(job.id).catch(() => null);
    if (grid && !signal.aborted) this.#show(await dataUrlOfFile(grid));
  }

  /**
   * Show what was understood of the pictures, and why the training ended early.
   *
   * @param {any} [progress]
   */
  #describe(progress) {
    if (progress) this.#progress = progress;
    const { width, height, colours } = this.#progress;
    const { model, pictures, unreadable, unreadable_names, unsupported_names, result } = /** @type {any} */ (this.#job);
    const names = unsupported_names?.join(", ");
    const facts = { count: formatNumber(pictures ?? 0), unread: formatNumber(unreadable ?? 0), colours, names };
    const found = pictures ? [t("{count} pictures", facts)] : [];
    if (colours) found.push(t("{colours} colours", facts));
    if (width) found.push(`${width} × ${height}`);
    const early = EARLY[result?.early] ?? result?.early;
    const sizes = names && t("left out, too small or too large: {names}", facts);
    const unread = unreadable && [t("{unread} could not be read", facts), unreadable_names?.join(", ")];
    const rest = [found.join(", "), unread && unread.filter(Boolean).join(": "), sizes, early];
    this.#facts.textContent = `${model}: ${rest.filter(Boolean).join("; ")}`;
  }

  /**
   * Show what the network draws by now, in base64. Without an update it draws what it was
   * copied from.
   *
   * @param {string} png
   */
  #showProgress(png) {
    const before = t("So far it draws what it began with, and nothing of your pictures.");
    this.#note.textContent = this.#progress.share ? "" : before;
    this.#show(`data:image/png;base64,${png}`);
  }

  /** Return the model that was trained, once a worker has loaded it, else null. */
  get #model() {
    const name = this.#job?.status === "succeeded" ? this.#job.model : "";
    return this.#shared.models.value?.find((model) => model.name === name) ?? null;
  }

  #lead() {
    for (const part of [this.#draw, this.#download]) part.hidden = !this.#model;
  }

  /**
   * Open the pad with the model, or the sample view if one cannot paint with its
   * colours.
   */
  #drawWith() {
    const model = this.#model;
    if (!model) return;
    const blank = new ImageData(model.width, model.height);
    if (modelsFor("draw", [model]).length) return this.#shared.onSend("ink", dataUrlOf(blank), model.name, 0);
    location.hash = `sample?${new URLSearchParams({ model: model.name, n: "16", seed: "1", temperature: "1" })}`;
  }

  async #saveModel() {
    const name = this.#model?.name;
    if (!name) return;
    try {
      save(
        await (await this.#shared.api.send(`/models/${encodeURIComponent(name)}/download`, {})).blob(),
        `${name}.zip`,
      );
      this.#note.textContent = t("Saved. Unpack it, and “pixelrnn sample ./{name}” draws with it.", { name });
    } catch (error) {
      this.#note.textContent = explain(error).text;
    }
  }

  /**
   * @param {any} progress
   * @param {Job} job
   */
  #advance(progress, job) {
    const { minutes_left: minutes, told } = progress;
    if (job.finished_at) return;
    this.#job = { ...job, eta_s: minutes === null ? null : 60 * minutes };
    this.#serverWords.textContent = told.replaceAll("\n", "; ");
    this.#describe(progress);
    this.#tell();
    // Without this figure the training is still being prepared.
    if (progress.uniform_bits !== null) this.#plot(progress);
  }

  #tell(isLost = false) {
    if (!this.#job) return;
    const { status, progress, waits_for: missing, finished_at: end, result } = /** @type {any} */ (this.#job);
    let words = status === "succeeded" ? t("It has learned them") : statusLine(this.#job);
    if (result?.warning) words = t("It has learned too little to draw well");
    if (status === "running" && !progress) words = t("It looks at the pictures…");
    if (missing) words = t("It waits for a trainer: “pixelrnn up” starts one by itself, “pixelrnn trainer” anywhere.");
    // With keys, a service lists a reader's own trainings only.
    const isOwn = this.#shared.api.hasKey || lasting.get(OWN_TRAINING) === this.#jobId;
    if (!isOwn && !end) words = t("Somebody else's: {state}. Then it is your turn.", { state: words });
    if (isLost) words = t("The connection is lost. Trying again; nothing that is learned gets lost…");
    this.#status.textContent = words;
    this.#bar.value = progress;
    for (const part of [this.#finish, this.#cancel]) part.hidden = !isOwn || Boolean(end);
  }

  /**
   * Draw the learning curve, with lines for guessing and for PNG.
   *
   * @param {any} progress
   */
  #plot({ bits_per_dim: bits, share, uniform_bits: guessing, png_bits: png }) {
    if (bits !== null && bits !== this.#points.at(-1)?.[1]) {
      this.#points.push([share, bits]);
      passing.set(POINTS + this.#jobId, JSON.stringify(this.#points));
      this.#finish.disabled = !this.#hasLearned;
    }
    // PNG needs far more for tiny pictures, and would flatten the curve.
    const top = 1.1 * Math.max(guessing, Math.min(png, 2 * guessing));
    const y = (/** @type {number} */ value) => HEIGHT * (1 - Math.min(0.93, value / top));
    const look = { role: "img", "aria-label": t("How it learns"), viewBox: `0 0 ${WIDTH} ${HEIGHT}` };
    const plot = svg("svg", { ...look, fill: "none", stroke: "currentColor", "font-size": 15 });
    const level = (/** @type {string} */ name, /** @type {number} */ value, /** @type {string} */ anchor) => {
      const place = { x: anchor === "end" ? WIDTH : 0, y: y(value) - 6, "text-anchor": anchor };
      const text = svg("text", { ...place, fill: "currentColor", stroke: "none" });
      text.textContent = `${name} ${formatFixed(value, 2)}`;
      plot.append(svg("path", { d: `M0 ${y(value)}H${WIDTH}`, "stroke-dasharray": "6 5" }), text);
    };
    level(t("Guessing"), guessing, "start");
    level("PNG", png, "end");
    const path = this.#points.map(([at, value], i) => `${i ? "L" : "M"}${WIDTH * at} ${y(value)}`);
    if (path.length) plot.append(svg("path", { d: `${path.join("")}h0`, class: "learned", "stroke-width": 4 }));
    const newest = bits === null ? "…" : formatFixed(bits, 2);
    const caption = t(
      "It is surprised by pictures that it was not shown: {bits} bits for each value. Less is better.",
      { bits: newest },
    );
    this.#curve.replaceChildren(plot, el("figcaption", {}, caption));
    this.#curve.hidden = false;
  }

  /** @param {string} address */
  #show(address) {
    if (this.#grid.hidden) announce(t("Its first pictures are there."));
    Object.assign(this.#grid, { src: address, hidden: false });
  }

  /** @param {"finish" | "cancel"} how */
  async #end(how) {
    this.#finish.disabled = true;
    try {
      await this.#shared.api.send(`/jobs/${this.#jobId}/${how}`, { method: "POST" });
    } catch (error) {
      this.#status.textContent = explain(error).text;
      this.#finish.disabled = !this.#hasLearned;
    }
  }
}
