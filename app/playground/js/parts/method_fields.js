/** Form fields for the method that fills a hole. */

import { el } from "./dom.js";
import { field } from "./fields.js";
import { t } from "../lang.js";
import { FieldTrouble } from "../service/problems.js";

/** @import {Settings} from "../types" */

/** Fields for method, particles and sweeps; empty ones mean the server's defaults. */
export class MethodFields {
  constructor() {
    const usual = new Option(t("Usual: the best that the model can"), "");
    const posterior = new Option(t("Given everything, also below and to the right"), "posterior");
    this.#method = el("select", {}, usual, posterior, new Option(t("Given what is above and to the left"), "clamp"));
    this.#particles = numberInput();
    this.#sweeps = numberInput();
    this.#method.addEventListener("change", () => this.#suit());
    // Particles and sweeps belong to one method only, so they are hidden together.
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

  /**
   * Return the fields of a request; fields that are empty are left out.
   *
   * @returns {Record<string, string | number>}
   * @throws {FieldTrouble} if particles or sweeps are no whole number.
   */
  read() {
    const fields = {
      method: this.#method.value,
      particles: wholeNumber("particles", this.#particles, t("Particles are a whole number from 1.")),
      sweeps: wholeNumber("sweeps", this.#sweeps, t("Sweeps are a whole number from 0.")),
    };
    if (this.#method.value === "clamp") return { method: fields.method };
    return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== ""));
  }

  /**
   * Fill the fields; the section is opened if a method is set.
   *
   * @param {Partial<Settings>} settings
   */
  set({ method, particles, sweeps }) {
    this.#method.value = method ?? "";
    this.#particles.value = String(particles ?? "");
    this.#sweeps.value = String(sweeps ?? "");
    this.element.open = Boolean(method);
    this.#suit();
  }

  /** Hide the fields that the method does not use. */
  #suit() {
    this.#work.hidden = this.#method.value === "clamp";
  }
}

const numberInput = () =>
  el("input", { type: "text", inputMode: "numeric", placeholder: t("as usual"), autocomplete: "off" });

/**
 * Return the number in a field, "" if it is empty.
 *
 * @param {string} name
 * @param {HTMLInputElement} input
 * @param {string} expected
 * @throws {FieldTrouble} if it is no whole number.
 */
function wholeNumber(name, { value }, expected) {
  if (!/^\s*\d*\s*$/.test(value)) throw new FieldTrouble(name, expected);
  return value.trim() && Number(value);
}
