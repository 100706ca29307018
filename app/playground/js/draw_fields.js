/** How many images, from which seed, at what temperature. */

import { el } from "./dom.js";
import { field } from "./fields.js";
import { icon } from "./icons.js";
import { FieldTrouble } from "./problems.js";

/** @import {Info} from "./types" */

const FRIENDLY_SEEDS = 1_000_000;
const COLDEST = 0.1;
const HOTTEST = 2;

export class DrawFields {
  /** @param {number} n how many images at first */
  constructor(n) {
    this.#n = el("input", { type: "number", min: "1", max: "64", step: "1", value: String(n), inputMode: "numeric" });
    this.#seed = el("input", { type: "text", inputMode: "numeric", value: String(friendlySeed()), spellcheck: false });
    this.#seed.autocomplete = "off";
    this.#temperature = el("input", { type: "range", min: "-1", max: "0.30103", step: "any", value: "0" });
    this.#shownTemperature = el("output", {}, "1.00");
    this.#lock = el("button", { type: "button", class: "icon", "aria-pressed": "false", title: "Keep this seed" });
    this.#lock.setAttribute("aria-label", "Keep this seed");
    this.#lock.append(icon("open-lock"));
    const dice = el("button", { type: "button", class: "icon", title: "Another seed", "aria-label": "Another seed" });
    dice.append(icon("dice"));
    dice.addEventListener("click", () => (this.#seed.value = String(friendlySeed())));
    this.#lock.addEventListener("click", () => this.#setLock(!this.#isLocked));
    this.#seed.addEventListener("input", () => this.#setLock(true));
    this.#temperature.addEventListener("input", () => this.#showTemperature());
    const hint = el("p", { class: "hint" }, "1 is the model itself; below it plays safe, above it runs wild.");
    this.element = el(
      "div",
      { class: "draw-fields" },
      field("n", "Images", this.#n),
      field("seed", "Seed", this.#seed, dice, this.#lock),
      field("temperature", "Temperature", this.#temperature, this.#shownTemperature),
    );
    this.element.lastElementChild?.append(hint);
    this.#showTemperature();
  }

  #n;
  #seed;
  #lock;
  #temperature;
  #shownTemperature;
  /** @type {Info["limits"] | null} */
  #limits = null;

  /** @param {Info} info */
  limit(info) {
    this.#limits = info.limits;
    this.#n.max = String(info.limits.n);
  }

  /** What the fields say; a seed that is not locked is another one each time. Throws FieldTrouble. */
  read() {
    const n = Number(this.#n.value);
    const most = this.#limits?.n ?? 64;
    if (!Number.isInteger(n) || n < 1 || n > most) throw new FieldTrouble("n", `Choose 1 to ${most} images.`);
    if (!this.#isLocked) this.#seed.value = String(friendlySeed());
    const seed = Number(this.#seed.value);
    if (!/^\s*\d+\s*$/.test(this.#seed.value) || !Number.isSafeInteger(seed)) {
      throw new FieldTrouble("seed", "A seed is a whole number from 0 to 9007199254740991.");
    }
    return { n, seed, temperature: this.#degree };
  }

  /** @param {{n: number, seed: number, temperature: number}} settings @param {boolean} isLocked */
  set({ n, seed, temperature }, isLocked) {
    this.#n.value = String(n);
    this.#seed.value = String(seed);
    this.#setLock(isLocked);
    this.#temperature.value = String(Math.log10(Math.min(HOTTEST, Math.max(COLDEST, temperature))));
    this.#showTemperature();
  }

  get #degree() {
    return Math.round(100 * 10 ** Number(this.#temperature.value)) / 100;
  }

  #showTemperature() {
    const text = this.#degree.toFixed(2);
    this.#shownTemperature.value = text;
    this.#temperature.setAttribute("aria-valuetext", text);
  }

  get #isLocked() {
    return this.#lock.getAttribute("aria-pressed") === "true";
  }

  /** @param {boolean} locked */
  #setLock(locked) {
    this.#lock.setAttribute("aria-pressed", String(locked));
    this.#lock.replaceChildren(icon(locked ? "lock" : "open-lock"));
  }
}

function friendlySeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0] % FRIENDLY_SEEDS;
}
