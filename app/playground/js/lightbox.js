/** One image of a job, large: what drew it, how likely it is, and how to have it again. */

import { rankingOf, scoreOf } from "./api.js";
import { el, find, stamp } from "./dom.js";
import { icon } from "./icons.js";
import { explain } from "./problems.js";
import { blankCanvas, canvasOf, pen, pngOf, save } from "./raster.js";
import { curlLine, pythonLine } from "./recipe.js";
import { ordinal } from "./words.js";

/** @import {Api} from "./api.js" */
/** @import {Painting} from "./painting.js" */
/** @import {Given, Job} from "./types" */

const SCORE_WAIT_S = 20;

export class Lightbox {
  /**
   * @param {Api} api
   * @param {Job} job
   * @param {Painting[]} paintings
   * @param {Given} given what the recipe's files are
   */
  constructor(api, job, paintings, given) {
    this.#api = api;
    this.#job = job;
    this.#paintings = paintings;
    this.#given = given;
    const ranked = rankingOf(job)?.map(({ sample }) => sample);
    this.#order = ranked ?? paintings.map((_, sample) => sample);
    this.#isRanked = Boolean(ranked);
    this.#dialog = /** @type {HTMLDialogElement} */ (stamp("lightbox"));
    this.#dialog.addEventListener("close", () => this.#dialog.remove());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => this.#step(event));
    this.#wire("close", "close", () => this.#dialog.close());
    this.#wire("previous", "left", () => this.#show(this.#place - 1));
    this.#wire("next", "right", () => this.#show(this.#place + 1));
    this.#wire("download", "download", () => this.#download());
    for (const button of this.#dialog.querySelectorAll("[data-copy]")) {
      button.addEventListener("click", () => this.#copy(/** @type {HTMLElement} */ (button)));
    }
  }

  #api;
  #job;
  #paintings;
  #given;
  #dialog;
  /** Samples in the order in which the board shows them. @type {number[]} */
  #order;
  #isRanked;
  #place = 0;
  /** Whether its likelihood can be asked for only when its last row is there. */
  #isWaiting = false;

  /** @param {number} sample */
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

  /** @param {string} name @param {string} drawing @param {() => void} act */
  #wire(name, drawing, act) {
    const button = find(this.#dialog, `[data-act=${name}]`);
    button.prepend(icon(drawing));
    button.addEventListener("click", act);
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    if (event.key === "ArrowLeft") this.#show(this.#place - 1);
    if (event.key === "ArrowRight") this.#show(this.#place + 1);
  }

  /** @param {number} place */
  #show(place) {
    const { n } = this.#job;
    this.#place = (place + n) % n;
    const name = n === 1 ? "Image" : this.#isRanked ? `${this.#rank} of ${n}` : `Image ${this.#sample + 1} of ${n}`;
    find(this.#dialog, "h2").textContent = name;
    for (const act of ["previous", "next"]) find(this.#dialog, `[data-act=${act}]`).hidden = n === 1;
    this.#showPicture(name);
    this.#showFacts();
    this.#showFiles();
    const recipe = /** @type {const} */ ([this.#job, this.#sample, location.origin, this.#api.hasKey]);
    find(this.#dialog, "[data-code=curl]").textContent = curlLine(...recipe);
    find(this.#dialog, "[data-code=python]").textContent = pythonLine(...recipe);
    find(this.#dialog, "[data-said]").textContent = "";
  }

  get #rank() {
    return this.#place === 0 ? "Likeliest" : `${ordinal(this.#place + 1)} likeliest`;
  }

  /** @param {string} name */
  #showPicture(name) {
    const { canvas } = this.#painting;
    const large = blankCanvas(canvas.width, canvas.height);
    large.setAttribute("role", "img");
    large.setAttribute("aria-label", name);
    const small = this.#painting.whole("small");
    const caption = small && el("figcaption", {}, `First stage, ${small.width} × ${small.height}`);
    const first = small && el("figure", { class: "first-stage" }, canvasOf(small), caption);
    find(this.#dialog, ".large").replaceChildren(large, ...(first ? [first] : []));
    this.#follow(this.#painting, large);
  }

  /** The rows that come while it is open are seen here too. @param {Painting} painting @param {HTMLCanvasElement} large */
  #follow(painting, large) {
    if (!large.isConnected) return;
    pen(large).clearRect(0, 0, large.width, large.height);
    pen(large).drawImage(painting.canvas, 0, 0);
    if (!painting.isShown) requestAnimationFrame(() => this.#follow(painting, large));
    else if (this.#isWaiting) this.#showFacts();
  }

  /** The given picture and the mask, under the names that the recipes have for them. */
  #showFiles() {
    const files = { "given.png": this.#given.image, "mask.png": this.#given.mask };
    const links = Object.entries(files).flatMap(([download, href]) =>
      href ? [el("a", { href, download }, download)] : [],
    );
    const isLost = this.#job.kind !== "sample" && !links.length;
    const lost = "The given picture is not kept in this browser; the lines need it as a file.";
    find(this.#dialog, "[data-files]").replaceChildren(...(isLost ? [lost] : links));
  }

  #showFacts() {
    const { model, n, seed, temperature, width, height, id } = this.#job;
    const likelihood = el("dd");
    find(this.#dialog, "dl").replaceChildren(
      ...pair("Model", model),
      ...pair("Seed", n > 1 ? `${seed}, image ${this.#sample + 1}` : String(seed)),
      ...pair("Temperature", temperature.toFixed(2)),
      ...pair("Size", `${width} × ${height}`),
      el("dt", {}, "Likelihood"),
      likelihood,
      ...pair("Job", id),
    );
    this.#measure(this.#painting, likelihood);
  }

  /** Asked once for each image. @param {Painting} painting @param {HTMLElement} place */
  async #measure(painting, place) {
    const picture = painting.whole("final");
    this.#isWaiting = !picture;
    place.textContent = painting.likelihood || (picture ? "…" : "when it is complete");
    if (!picture || painting.likelihood) return;
    const form = new FormData();
    form.set("model", this.#job.model);
    form.set("image", await pngOf(picture), "image.png");
    try {
      const score = scoreOf(await this.#api.submit("/score", form, SCORE_WAIT_S));
      if (score) painting.likelihood = `${score.bits_per_dim.toFixed(3)} bits/dim · ${score.nats.toFixed(1)} nats`;
      place.textContent = painting.likelihood || "not known yet";
    } catch (error) {
      place.textContent = explain(error).text;
    }
  }

  async #download() {
    const { id, model, seed } = this.#job;
    try {
      save(await this.#api.image(id, { sample: this.#sample }), `${model}-${seed}-${this.#sample}.png`);
    } catch (error) {
      find(this.#dialog, "[data-said]").textContent = explain(error).text;
    }
  }

  /** @param {HTMLElement} button */
  async #copy(button) {
    const text = find(this.#dialog, `[data-code=${button.dataset.copy}]`).textContent;
    const said = find(this.#dialog, "[data-said]");
    try {
      await navigator.clipboard.writeText(text);
      said.textContent = "Copied.";
    } catch {
      said.textContent = "The browser does not let this page copy; select the text instead.";
    }
  }
}

/** @param {string} name @param {string} value */
function pair(name, value) {
  return [el("dt", {}, name), el("dd", {}, value)];
}
