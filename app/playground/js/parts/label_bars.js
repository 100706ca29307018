/** How probable each label is, given a picture: bars that move as pixels of it are painted over. */

import { announce, el } from "./dom.js";
import { CurrentQuestion } from "../service/current_question.js";
import { formatFixed, t } from "../lang.js";
import { percent } from "../service/words.js";

/** @import {ScoredPicture} from "./scored_picture.js" */
/** @import {Classification, Model, Shared} from "../types" */

const QUALITIES = { exact: t("exact"), good: t("well known"), rough: t("roughly known"), poor: t("hardly known") };

export class LabelBars {
  /** @param {Pick<Shared, "backend" | "isOnline">} shared @param {ScoredPicture} scored whose pixels are painted over */
  constructor({ backend, isOnline }, scored) {
    this.#backend = backend;
    const cease = (/** @type {string} */ text) => (this.#sentence.textContent = text);
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

  /** Of the picture that is shown now; nothing for a model without labels. @param {Model | null} model */
  show(model) {
    const isAble = Boolean(model?.can.includes("classify") && this.#scored.picture);
    this.#model = isAble ? model : null;
    this.element.hidden = !isAble;
    this.#toggle(false);
    this.#bars.lay(isAble ? (model?.labels ?? []).map(({ name }) => name) : []);
    this.#judge();
  }

  /** @param {boolean} isCovering */
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

  /** Only the answer to the last question is shown. */
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

/** A bar for each label. */
export class Bars {
  element = el("ol", { class: "label-bars" });

  /** @param {string[]} names */
  lay(names) {
    const bars = names.map((name) => el("li", {}, el("span", {}, name), el("span", { class: "share" }), el("span")));
    this.element.replaceChildren(...bars);
  }

  /** @param {Classification["labels"]} labels the likeliest first */
  show(labels) {
    for (const { label, p } of labels) {
      const line = /** @type {HTMLElement} */ (this.element.children[label]);
      line.style.setProperty("--share", String(p));
      line.classList.toggle("first", label === labels[0].label);
      line.lastElementChild?.replaceChildren(percent(p));
    }
  }
}
