/** How a hole is filled: given all that is given or from above only, and with how much work. Empty means as the server usually does. */

import { el } from "./dom.js";
import { field } from "./fields.js";
import { t } from "../lang.js";
import { FieldTrouble } from "../service/problems.js";

/** @import {Settings} from "../types" */

export class MethodFields {
  constructor() {
    const usual = new Option(t("Usual: the best that the model can"), "");
    const posterior = new Option(t("Given everything, also below and to the right"), "posterior");
    this.#method = el("select", {}, usual, posterior, new Option(t("Given what is above and to the left"), "clamp"));
    this.#particles = numberInput();
    this.#sweeps = numberInput();
    this.#method.addEventListener("change", () => this.#suit());
    this.#work = el(
      "div",
      { class: "pair" },
      field("particles", t("Particles"), this.#particles),
      field("sweeps", t("Sweeps"), this.#sweeps),
    );
    const hint = t(
      "Where the hole has given pixels behind it, several images are weighed against each other: more particles and sweeps come closer, and take longer.",
    );
    this.element = el(
      "details",
      { class: "method" },
      el("summary", {}, t("How it is filled")),
      field("method", t("Method"), this.#method),
      this.#work,
      el("p", { class: "hint" }, hint),
    );
  }

  #method;
  #particles;
  #sweeps;
  #work;

  /** What is said of them. Throws FieldTrouble. @returns {Record<string, string | number>} */
  read() {
    const said = {
      method: this.#method.value,
      particles: wholeNumber("particles", this.#particles, t("Particles are a whole number from 1.")),
      sweeps: wholeNumber("sweeps", this.#sweeps, t("Sweeps are a whole number from 0.")),
    };
    if (this.#method.value === "clamp") return { method: said.method };
    return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== ""));
  }

  /** Exactly these; they are seen when something is said in them. @param {Partial<Settings>} settings */
  set({ method, particles, sweeps }) {
    this.#method.value = method ?? "";
    this.#particles.value = String(particles ?? "");
    this.#sweeps.value = String(sweeps ?? "");
    this.element.open = Boolean(method);
    this.#suit();
  }

  #suit() {
    this.#work.hidden = this.#method.value === "clamp";
  }
}

const numberInput = () =>
  el("input", { type: "text", inputMode: "numeric", placeholder: t("as usual"), autocomplete: "off" });

/** @param {string} name @param {HTMLInputElement} input @param {string} expected */
function wholeNumber(name, { value }, expected) {
  if (!/^\s*\d*\s*$/.test(value)) throw new FieldTrouble(name, expected);
  return value.trim() && Number(value);
}
