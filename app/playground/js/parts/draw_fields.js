/** Form fields for the number of images, the seed and the temperature. */

import { el } from "./dom.js";
import { field } from "./fields.js";
import { icon } from "./icons.js";
import { formatNumber, t } from "../lang.js";
import { FieldTrouble } from "../service/problems.js";
import { friendlySeed } from "../service/requests.js";

/** @import {Signal} from "../signal.js" */
/** @import {Info, Settings} from "../types" */

/** Lowest temperature of the slider. */
const COLDEST = 0.1;
/** Highest temperature of the slider. */
const HOTTEST = 2;
/** Limits until the server has stated its own. */
const LIMITS = { n: 64, seed: Number.MAX_SAFE_INTEGER, temperature_min: 0.01, temperature_max: 100 };

/** Form fields of everything that draws: number of images, seed, temperature. */
export class DrawFields {
  /**
   * @param {number} n - Number of images at first.
   * @param {Signal<Info | null>} info - The server's limits.
   */
  constructor(n, info) {
    this.#info = info;
    this.#n = el("input", { type: "number", min: "1", step: "1", value: String(n), inputMode: "numeric" });
    this.#seed = textInput("numeric", String(friendlySeed()));
    this.#isNew = el("input", { type: "checkbox", checked: true });
    this.#temperature = textInput("decimal", "1");
    this.#slider = el("input", { type: "range", min: "-1", max: "0.30103", step: "any", value: "0" });
    this.#slider.setAttribute("aria-label", t("Temperature, from cold to hot"));
    const dice = el("button", { type: "button", class: "icon", title: t("Another seed") });
    dice.setAttribute("aria-label", t("Another seed"));
    dice.append(icon("dice"));
    dice.addEventListener("click", () => this.#reroll());
    this.#seed.addEventListener("input", () => {
      // Whoever types a seed wants to keep it.
      this.#isNew.checked = false;
      this.forget();
    });
    this.#temperature.addEventListener("input", () => this.#slide());
    this.#slider.addEventListener("input", () => this.#takeSlider());
    const seed = field("seed", t("Seed"), this.#seed, dice);
    seed.append(el("label", { class: "check" }, this.#isNew, t("New seed each time")), this.#more);
    const temperature = field("temperature", t("Temperature"), this.#temperature, this.#slider);
    const daring = t("1: what the model believes. Less is tamer, more is wilder.");
    temperature.append(el("p", { class: "hint" }, daring));
    this.element = el("div", { class: "draw-fields" }, field("n", t("Images"), this.#n), seed, temperature);
    this.#slide();
    info.watch(() => (this.#n.max = String(this.#limits.n)));
  }

  #more = el("p", { class: "hint" });
  /** Settings that have no field, kept until the seed changes. @type {{first?: number, size?: string}} */
  #kept = {};
  #info;
  #n;
  #seed;
  #isNew;
  #temperature;
  #slider;

  get #limits() {
    return this.#info.value?.limits ?? LIMITS;
  }

  /**
   * Return the settings of the fields.
   *
   * @throws {FieldTrouble} if a field is empty or outside the server's limits.
   */
  read() {
    const { n: most, seed: highest, temperature_min: coldest, temperature_max: hottest } = this.#limits;
    const n = Number(this.#n.value);
    if (!Number.isInteger(n) || n < 1 || n > most) {
      throw new FieldTrouble("n", t("Choose 1 to {most} images.", { most }));
    }
    const seed = Number(this.#seed.value);
    if (!/^\s*\d+\s*$/.test(this.#seed.value) || seed > highest) {
      throw new FieldTrouble("seed", t("A seed is a whole number from 0 to {highest}.", { highest }));
    }
    const temperature = this.#degree;
    if (!(temperature >= coldest && temperature <= hottest)) {
      const span = { coldest: formatNumber(coldest), hottest: formatNumber(hottest) };
      throw new FieldTrouble("temperature", t("A temperature is a number from {coldest} to {hottest}.", span));
    }
    return { n, seed, temperature, ...this.#kept };
  }

  /**
   * Set the number of images and the temperature.
   *
   * @param {number} n
   * @param {number} degree
   */
  begin(n, degree) {
    this.#n.value = String(n);
    this.#temperature.value = String(degree);
    this.#slide();
  }

  /** Choose a new seed if the person wants one for each drawing. */
  used() {
    if (this.#isNew.checked) this.#reroll();
  }

  /**
   * Fill the fields with these settings and keep those that have no field.
   *
   * @param {Pick<Settings, "n" | "seed" | "temperature" | "first" | "size">} settings
   */
  set({ n, seed, temperature, first, size }) {
    this.begin(n, temperature);
    this.#seed.value = String(seed);
    this.#isNew.checked = false;
    this.#keep({ ...(first && { first }), ...(size && { size }) });
  }

  /** Forget the settings that have no field. */
  forget() {
    this.#keep({});
  }

  /**
   * Keep settings that have no field, and show them.
   *
   * @param {{first?: number, size?: string}} kept
   */
  #keep(kept) {
    this.#kept = kept;
    const { first, size } = kept;
    const words = [
      first && t("The first image has the number {first} among those of the seed.", { first: formatNumber(first) }),
      size && t("The images are {size} pixels large.", { size: size.replace("x", " × ") }),
    ];
    this.#more.textContent = words.filter(Boolean).join(" ");
  }

  #reroll() {
    this.forget();
    this.#seed.value = String(friendlySeed());
  }

  /**
   * Return the temperature, written with a point or a comma; NaN if it is no number.
   */
  get #degree() {
    return Number(this.#temperature.value.trim().replace(",", ".") || NaN);
  }

  #slide() {
    const degree = this.#degree;
    if (degree > 0) this.#slider.value = String(Math.log10(Math.min(HOTTEST, Math.max(COLDEST, degree))));
    this.#slider.setAttribute("aria-valuetext", this.#temperature.value);
  }

  #takeSlider() {
    this.#temperature.value = String(Math.round(100 * 10 ** Number(this.#slider.value)) / 100);
    this.#slider.setAttribute("aria-valuetext", this.#temperature.value);
  }
}

/**
 * @param {string} mode
 * @param {string} value
 */
function textInput(mode, value) {
  return el("input", { type: "text", inputMode: mode, value, spellcheck: false, autocomplete: "off" });
}
