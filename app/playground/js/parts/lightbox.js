/**
 * One image of a job, enlarged, with its probability, its settings and ways to save it.
 */

import { labelsOf, probabilityOf, rankingOf } from "../service/api.js";
import { el, find, cloneTemplate } from "./dom.js";
import { icon } from "./icons.js";
import { formatFixed, formatNumber, t } from "../lang.js";
import { destinationButtons } from "./destinations.js";
import { Painting } from "../pixels/painting.js";
import { modelOf } from "../service/choice.js";
import { explain } from "../service/problems.js";
import { blankCanvas, canvasOf, contextOf, pngOf, save } from "../pixels/raster.js";
import { LatestRequest } from "../signal.js";
import { ordinal } from "../service/words.js";

/** @import {Job, RowEvent, Shared} from "../types" */

/**
 * A dialog that shows one image of a job at a time, and rows that arrive meanwhile.
 * Closing it removes its element.
 */
export class Lightbox {
  /**
   * @param {Shared} shared
   * @param {Job} job - Job of the service or of this browser.
   * @param {Painting[]} paintings - Its images.
   */
  constructor(shared, job, paintings) {
    this.#api = shared.api;
    this.#shared = shared;
    this.#job = job;
    this.#paintings = paintings;
    this.#browser = shared.backend.browser;
    const ranked = rankingOf(job)?.map(({ sample }) => sample);
    this.#order = ranked ?? paintings.map((_, sample) => sample);
    this.#isRanked = Boolean(ranked);
    this.#dialog = /** @type {HTMLDialogElement} */ (cloneTemplate("lightbox"));
    this.#dialog.addEventListener("close", () => {
      this.#asking.start();
      this.#dialog.remove();
    });
    // A click on the dialog element itself is one beside its content.
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => this.#step(event));
    this.#wire("close", "close", () => this.#dialog.close());
    this.#wire("previous", "left", () => this.#show(this.#place - 1));
    this.#wire("next", "right", () => this.#show(this.#place + 1));
    this.#wire("download", "download", () => this.#download());
    this.#wire("copy", "copy", () => this.#copyPicture());
    this.#wire("check", "again", () => this.#check());
  }

  #api;
  #shared;
  #job;
  #paintings;
  #browser;
  #dialog;
  /** Indices of the images in the order in which the board shows them. @type {number[]} */
  #order;
  #isRanked;
  #place = 0;
  #asking = new LatestRequest();
  /** True while the image is incomplete, so that its probability cannot be requested. */
  #isWaiting = false;

  /** @param {number} sample - Index of the image. */
  open(sample) {
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.#show(this.#order.indexOf(sample));
  }

  get #sample() {
    return this.#order[this.#place];
  }

  get #painting() {
    return this.#paintings[this.#sample];
  }

  /**
   * Give a button its icon and its action.
   *
   * @param {string} name
   * @param {string} drawing
   * @param {() => void} act
   */
  #wire(name, drawing, act) {
    const button = find(this.#dialog, `[data-act=${name}]`);
    button.prepend(icon(drawing));
    button.addEventListener("click", act);
  }

  /**
   * Show another image with the arrow keys.
   *
   * @param {KeyboardEvent} event
   */
  #step(event) {
    // There the arrows choose a size.
    if (event.target === find(this.#dialog, "select")) return;
    if (event.key === "ArrowLeft") this.#show(this.#place - 1);
    if (event.key === "ArrowRight") this.#show(this.#place + 1);
  }

  /** @param {number} place - Its place in the order of the board; it wraps around. */
  #show(place) {
    const { n } = this.#job;
    this.#place = (place + n) % n;
    const name = this.#nameOf(n);
    find(this.#dialog, "h2").textContent = name;
    for (const act of ["previous", "next"]) find(this.#dialog, `[data-act=${act}]`).hidden = n === 1;
    this.#showPicture(name);
    this.#showFacts();
    this.#showDestinations();
    find(this.#dialog, "[data-act=check]").hidden = this.#job.kind !== "sample" || !this.#browser.canDraw(this.#job);
    // A larger picture needs no enlargement.
    if (this.#job.cutouts) find(this.#dialog, "select").value = "1";
    find(this.#dialog, "[data-note]").textContent = "";
  }

  /** @param {number} n */
  #nameOf(n) {
    if (n === 1) return t("Image");
    if (!this.#isRanked) return t("Image {number} of {n}", { number: this.#sample + 1, n });
    if (this.#place === 0) return t("Likeliest of {n}", { n });
    return t("{place} likeliest of {n}", { place: ordinal(this.#place + 1), n });
  }

  /**
   * Show the enlarged image, and its first stage.
   *
   * @param {string} name
   */
  #showPicture(name) {
    const { canvas } = this.#painting;
    const large = blankCanvas(canvas.width, canvas.height);
    large.setAttribute("role", "img");
    large.setAttribute("aria-label", name);
    const small = this.#painting.whole("small");
    const caption =
      small && el("figcaption", {}, t("First stage, {size}", { size: `${small.width} × ${small.height}` }));
    const first = small && el("figure", { class: "first-stage" }, canvasOf(small), caption);
    find(this.#dialog, ".large").replaceChildren(large, ...(first ? [first] : []));
    this.#follow(this.#painting, large);
  }

  /**
   * Copy the image in each animation frame until it is complete.
   *
   * @param {Painting} painting
   * @param {HTMLCanvasElement} large
   */
  #follow(painting, large) {
    if (!large.isConnected) return;
    contextOf(large).clearRect(0, 0, large.width, large.height);
    contextOf(large).drawImage(painting.canvas, 0, 0);
    if (!painting.isShown) requestAnimationFrame(() => this.#follow(painting, large));
    else if (this.#isWaiting) this.#showFacts();
  }

  /** Show the settings and request the probability. */
  #showFacts() {
    const { model, n, seed, temperature, id, label: asked } = this.#job;
    const { width, height } = this.#painting.canvas;
    // The result names each image's label; before it arrives, the request may.
    const label = labelsOf(this.#job)[this.#sample] ?? (Array.isArray(asked) ? asked[this.#sample] : asked);
    const [surprise, exactly] = [t("Surprise"), "Bits/dim"].map((name) => (this.#job.cutouts ? [] : pair(name, "")));
    const [facts, fold] = this.#dialog.querySelectorAll("dl");
    facts.replaceChildren(
      ...pair(t("Seed"), n > 1 ? t("{seed}, image {number}", { seed, number: this.#sample + 1 }) : String(seed)),
      ...(label ? pair(t("Label"), label) : []),
      ...pair(t("Temperature"), formatNumber(temperature)),
      ...pair(t("Size"), `${width} × ${height}`),
      ...surprise,
    );
    const probability = probabilityOf(this.#job, this.#sample);
    const asDrawn = probability ? pair(t("As it was drawn"), likelihoodOf(probability)) : [];
    fold.replaceChildren(...pair(t("Model"), model), ...exactly, ...asDrawn, ...pair(t("Job"), id));
    if (!this.#job.cutouts) this.#measure(this.#painting, [surprise[1], exactly[1]]);
  }

  /**
   * Request the probability of an image once, and show it.
   *
   * @param {Painting} painting
   * @param {HTMLElement[]} places
   */
  async #measure(painting, [place, exactly]) {
    const picture = painting.whole("final");
    this.#isWaiting = !picture;
    place.textContent = picture ? "…" : t("when it is complete");
    const signal = this.#asking.start();
    if (!picture) return;
    try {
      const model = modelOf(this.#shared.models.value, this.#job);
      if (!model) return void (place.textContent = t("not known yet"));
      painting.score ??= (await this.#shared.backend.score(model, { picture }, { signal })).score;
      place.textContent = t("{bits} bits", { bits: formatFixed(painting.score.nats / Math.LN2, 1) });
      exactly.textContent = likelihoodOf(painting.score);
    } catch (error) {
      if (!signal.aborted) place.textContent = explain(error).text;
    }
  }

  /** Save the image; each pixel becomes a square of the chosen size. */
  async #download() {
    const { model, seed } = this.#job;
    const scale = Number(find(this.#dialog, "select").value);
    const name = `${model}-${seed}-image${this.#sample + 1}${scale > 1 ? `-x${scale}` : ""}.png`;
    try {
      save(await this.#file(scale), name);
    } catch (error) {
      this.#say(explain(error).text);
    }
  }

  /**
   * Return the image as a file: the service's, which says how it was drawn; until it is
   * finished there, one of this browser.
   *
   * @param {number} scale
   * @returns {Promise<Blob>}
   */
  #file(scale) {
    const { id, finished_at: isFinished } = this.#job;
    const picture = this.#painting.whole("final");
    if (picture && !(id && isFinished)) return pngOf(picture, scale);
    return this.#api.image(id, { sample: this.#sample, scale });
  }

  /** Draw the image again in this browser and compare it. */
  async #check() {
    const { width, height } = this.#job;
    const [sample, shown] = [this.#sample, this.#painting.whole("final")];
    if (!shown) return this.#say(t("It can be used when it is complete."));
    this.#say(t("Drawing it again in this browser…"));
    const again = new Painting(this.#job, null);
    const { first = 0, label } = this.#job;
    const one = { ...this.#job, n: 1, first: first + sample, label: Array.isArray(label) ? label[sample] : label };
    const how = { signal: new AbortController().signal, onRow: (/** @type {RowEvent} */ row) => again.put(row) };
    const isDrawn = await this.#browser.redraw(one, {}, how);
    if (sample !== this.#sample) return;
    const pixels = formatNumber(width * height);
    const differ = again.large.pixels.data.filter((byte, i) => byte !== shown.data[i]).length;
    if (!isDrawn) this.#say(t("It cannot be drawn in this browser."));
    else if (differ) this.#say(t("Drawn again in this browser: it is not the same."));
    else this.#say(t("Drawn again in this browser: all {pixels} pixels are the same.", { pixels }));
  }

  async #copyPicture() {
    const scale = Number(find(this.#dialog, "select").value);
    try {
      const picture = this.#file(scale);
      await navigator.clipboard.write([new ClipboardItem({ "image/png": picture })]);
      this.#say(t("Copied."));
    } catch {
      this.#say(t("The browser does not let this page copy pictures; download it instead."));
    }
  }

  #showDestinations() {
    const painting = this.#painting;
    const buttons = destinationButtons(this.#shared, {
      model: this.#job.model,
      whole: () => painting.whole("final"),
      onGo: () => this.#dialog.close(),
      onTrouble: (text) => this.#say(text),
    });
    find(this.#dialog, "[data-destinations]").replaceChildren(...buttons);
  }

  /** @param {string} text */
  #say(text) {
    find(this.#dialog, "[data-note]").textContent = text;
  }
}

/**
 * Return a probability in bits for each value, and in nats for the image.
 *
 * @param {{nats: number, bits_per_dim: number}} found
 */
function likelihoodOf({ nats, bits_per_dim: perDim }) {
  return `${formatFixed(perDim, 3)} · ${t("{nats} nats", { nats: formatFixed(nats, 1) })}`;
}

/**
 * Return a term and its description.
 *
 * @param {string} name
 * @param {string} value
 */
function pair(name, value) {
  return [el("dt", {}, name), el("dd", {}, value)];
}
