/**
 * The probability of each label of a picture, as bars that change while pixels are
 * covered.
 */

import { announce, el } from "./dom.js";
import { CurrentQuestion } from "../service/current_question.js";
import { formatFixed, t } from "../lang.js";
import { percent } from "../service/words.js";

/** @import {ScoredPicture} from "./scored_picture.js" */
/** @import {Classification, Model, Shared} from "../types" */

/** Quality of the probabilities -> words. */
export const QUALITIES = {
  exact: t("exact"),
  good: t("well known"),
  rough: t("roughly known"),
  poor: t("hardly known"),
};

/**
 * The section "Which label?" of the Inspect view. When the person covers pixels, the
 * probabilities are computed again from the others.
 */
export class LabelBars {
  /**
   * @param {Pick<Shared, "backend" | "isOnline">} shared - The page's backend, and
   *     whether the server answers.
   * @param {ScoredPicture} scored - Picture whose pixels can be covered.
   */
  constructor({ backend, isOnline }, scored) {
    this.#backend = backend;
    // A question that fails leaves its sentence in place of the answer.
    const cease = (/** @type {string} */ text) => {
      this.#bars.element.removeAttribute("aria-busy");
      this.#sentence.textContent = text;
    };
    this.#question = new CurrentQuestion(isOnline, cease, () => this.#judge());
    this.#scored = scored;
    this.#cover = el("button", { type: "button", "aria-pressed": "false" }, t("Cover pixels"));
    this.#cover.addEventListener("click", () => this.#toggle(!scored.isCovering));
    this.#all = el("button", { type: "button", hidden: true }, t("Uncover all"));
    this.#all.addEventListener("click", () => this.#uncover());
    scored.onCover = () => this.#judge();
    this.element = el(
      "section",
      { class: "which", hidden: true },
      el("h2", {}, t("Which label?")),
      this.#bars.element,
      this.#sentence,
      el("p", { class: "actions" }, this.#cover, this.#all),
    );
  }

  #backend;
  #scored;
  #cover;
  #all;
  #bars = new Bars();
  #sentence = el("p", { class: "hint", role: "status" });
  /** @type {Model | null} */
  #model = null;
  #question;

  /**
   * Show the labels of the picture that is scored now; nothing for a model without
   * labels.
   *
   * @param {Model | null} model
   */
  show(model) {
    const isAble = Boolean(model?.can.includes("classify") && this.#scored.picture);
    this.#model = isAble ? model : null;
    this.element.hidden = !isAble;
    this.#toggle(false);
    this.#bars.lay(isAble ? (model?.labels ?? []).map(({ name }) => name) : []);
    this.#judge();
  }

  /**
   * Switch between choosing and covering pixels.
   *
   * @param {boolean} isCovering
   */
  #toggle(isCovering) {
    this.#scored.isCovering = isCovering;
    this.#scored.element.classList.toggle("covering", isCovering);
    this.#cover.setAttribute("aria-pressed", String(isCovering));
  }

  #uncover() {
    this.#scored.uncover();
    this.#cover.focus();
    this.#judge();
  }

  /** Request the probabilities. Only the last answer is shown. */
  #judge() {
    const { picture, cover } = this.#scored;
    this.#question.giveUp();
    this.#all.hidden = !cover.count;
    this.#sentence.textContent = "";
    if (!this.#model || !picture) return;
    const [model, wish] = [this.#model, { picture, hole: cover.hole }];
    this.#bars.element.setAttribute("aria-busy", "true");
    this.#question.ask(async (signal) => {
      const found = await this.#backend.classify(model, wish, { signal });
      if (!signal.aborted) this.#tell(found);
    });
  }

  /** @param {Classification} found */
  #tell({ labels, nats, quality }) {
    this.#bars.element.removeAttribute("aria-busy");
    this.#bars.show(labels);
    const [{ name, p }] = labels;
    const facts = { name, share: percent(p), bits: formatFixed(nats / Math.LN2, 1), quality: QUALITIES[quality] };
    this.#sentence.textContent = t("What is seen surprises it by {bits} bits, whatever its label · {quality}", facts);
    announce(t("{name} with {share}", facts));
  }
}

/** A list with a bar for each label. */
export class Bars {
  element = el("ol", { class: "label-bars" });

  /**
   * Replace the bars by empty ones.
   *
   * @param {string[]} names
   */
  lay(names) {
    const bars = names.map((name) => el("li", {}, el("span", {}, name), el("span", { class: "share" }), el("span")));
    this.element.replaceChildren(...bars);
  }

  /**
   * Show the probability of each label.
   *
   * @param {Classification["labels"]} labels - The likeliest first.
   */
  show(labels) {
    for (const { label, p } of labels) {
      const line = /** @type {HTMLElement} */ (this.element.children[label]);
      line.style.setProperty("--share", String(p));
      line.classList.toggle("first", label === labels[0].label);
      line.lastElementChild?.replaceChildren(percent(p));
    }
  }
}
