/** One image of a job, large: what drew it, how likely it is, and how to have it again. */

import { el, find, stamp } from "./dom.js";
import { icon } from "./icons.js";
import { explain } from "./problems.js";
import { blankCanvas, pen, pngOf } from "./raster.js";
import { curlLine, pythonLine } from "./recipe.js";

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
    this.#dialog = /** @type {HTMLDialogElement} */ (stamp("lightbox"));
    this.#dialog.addEventListener("close", () => this.#dialog.remove());
    this.#dialog.addEventListener("click", (event) => event.target === this.#dialog && this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => this.#step(event));
    this.#wire("close", "close", () => this.#dialog.close());
    this.#wire("previous", "left", () => this.#show(this.#sample - 1));
    this.#wire("next", "right", () => this.#show(this.#sample + 1));
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
  #sample = 0;

  /** @param {number} sample */
  open(sample) {
    document.body.append(this.#dialog);
    this.#dialog.showModal();
    this.#show(sample);
  }

  /** @param {string} name @param {string} drawing @param {() => void} act */
  #wire(name, drawing, act) {
    const button = find(this.#dialog, `[data-act=${name}]`);
    button.prepend(icon(drawing));
    button.addEventListener("click", act);
  }

  /** @param {KeyboardEvent} event */
  #step(event) {
    if (event.key === "ArrowLeft") this.#show(this.#sample - 1);
    if (event.key === "ArrowRight") this.#show(this.#sample + 1);
  }

  /** @param {number} sample */
  #show(sample) {
    const { n } = this.#job;
    this.#sample = (sample + n) % n;
    const name = n > 1 ? `Image ${this.#sample + 1} of ${n}` : "Image";
    find(this.#dialog, "h2").textContent = name;
    for (const act of ["previous", "next"]) find(this.#dialog, `[data-act=${act}]`).hidden = n === 1;
    this.#showPicture(name);
    this.#showFacts();
    this.#showFiles();
    find(this.#dialog, "[data-code=curl]").textContent = curlLine(this.#job, this.#sample, location.origin);
    find(this.#dialog, "[data-code=python]").textContent = pythonLine(this.#job, this.#sample, location.origin);
  }

  /** @param {string} name */
  #showPicture(name) {
    const painting = this.#paintings[this.#sample];
    const large = magnified(painting.canvas);
    large.setAttribute("role", "img");
    large.setAttribute("aria-label", name);
    const small = painting.whole("small");
    const first = small && el("figure", { class: "first-stage" });
    if (first && small) {
      const canvas = blankCanvas(small.width, small.height);
      pen(canvas).putImageData(small, 0, 0);
      first.append(canvas, el("figcaption", {}, `First stage, ${small.width} × ${small.height}`));
    }
    find(this.#dialog, ".large").replaceChildren(large, ...(first ? [first] : []));
  }

  /** The given picture and the mask, under the names that the recipes have for them. */
  #showFiles() {
    const files = { "given.png": this.#given.image, "mask.png": this.#given.mask };
    const links = Object.entries(files).flatMap(([download, href]) =>
      href ? [el("a", { href, download }, download)] : [],
    );
    find(this.#dialog, "[data-files]").replaceChildren(...links);
  }

  #showFacts() {
    const { model, seed, temperature, width, height, id } = this.#job;
    const likelihood = el("dd", { "data-fact": "likelihood" }, "…");
    find(this.#dialog, "dl").replaceChildren(
      ...pair("Model", model),
      ...pair("Seed", `${seed}, image ${this.#sample + 1}`),
      ...pair("Temperature", temperature.toFixed(2)),
      ...pair("Size", `${width} × ${height}`),
      el("dt", {}, "Likelihood"),
      likelihood,
      ...pair("Job", id),
    );
    this.#measure(likelihood);
  }

  /** @param {HTMLElement} place */
  async #measure(place) {
    const picture = this.#paintings[this.#sample].whole("final");
    if (!picture) {
      place.textContent = "when it is complete";
      return;
    }
    const form = new FormData();
    form.set("model", this.#job.model);
    form.set("image", await pngOf(picture), "image.png");
    try {
      const { result } = await this.#api.submit("/score", form, SCORE_WAIT_S);
      const { bits_per_dim: bits, nats } = result ?? {};
      const isKnown = bits !== undefined && nats !== undefined;
      place.textContent = isKnown ? `${bits.toFixed(3)} bits/dim · ${nats.toFixed(1)} nats` : "not known yet";
    } catch (error) {
      place.textContent = explain(error).text;
    }
  }

  async #download() {
    const { id, model, seed } = this.#job;
    try {
      const url = URL.createObjectURL(await this.#api.image(id, { sample: this.#sample }));
      el("a", { href: url, download: `${model}-${seed}-${this.#sample}.png` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
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

/** @param {HTMLCanvasElement} canvas */
function magnified(canvas) {
  const copy = blankCanvas(canvas.width, canvas.height);
  pen(copy).drawImage(canvas, 0, 0);
  return copy;
}

/** @param {string} name @param {string} value */
function pair(name, value) {
  return [el("dt", {}, name), el("dd", {}, value)];
}
