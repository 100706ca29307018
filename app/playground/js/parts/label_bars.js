/** How probable each label is, given a picture: bars that move as pixels of it are painted over. */

import { announce, el } from "./dom.js";
import { fixed, t } from "../lang.js";
import { explain } from "../service/problems.js";
import { maskPicture, pngOf } from "../pixels/raster.js";
import { scoreForm } from "../service/requests.js";
import { Latest } from "../signal.js";
import { percent } from "../service/words.js";

/** @import {Api} from "../service/api.js" */
/** @import {ScoredPicture} from "./scored_picture.js" */
/** @import {ClassifyResult, LabelBelief, Model} from "../types" */

const QUALITIES = { exact: t("exact"), good: t("well known"), rough: t("roughly known"), poor: t("hardly known") };

export class LabelBars {
  /** @param {Api} api @param {ScoredPicture} scored whose pixels are painted over */
  constructor(api, scored) {
    this.#api = api;
    this.#scored = scored;
    this.#cover = el("button", { type: "button", "aria-pressed": "false" }, t("Cover pixels"));
    this.#cover.addEventListener("click", () => this.#toggle(!scored.isCovering));
    this.#all = el("button", { type: "button", hidden: true }, t("Uncover all"));
    this.#all.addEventListener("click", () => this.#uncover());
    scored.onCover = () => this.#ask();
    this.element = el(
      "section",
      { class: "which", hidden: true },
      el("h2", {}, t("Which label?")),
      this.#list,
      this.#said,
      el("p", { class: "actions" }, this.#cover, this.#all),
    );
  }

  #api;
  #scored;
  #cover;
  #all;
  #list = el("ol", { class: "label-bars" });
  #said = el("p", { class: "hint", role: "status" });
  /** @type {Model | null} */
  #model = null;
  #asking = new Latest();

  /** Of the picture that is shown now; nothing for a model without labels. @param {Model | null} model */
  show(model) {
    const isAble = Boolean(model?.can.includes("classify") && this.#scored.picture);
    this.#asking.ask();
    this.#model = isAble ? model : null;
    this.element.hidden = !isAble;
    this.#toggle(false);
    this.#list.replaceChildren(...(isAble ? (model?.labels ?? []) : []).map(({ name }) => bar(name)));
    this.#ask();
  }

  /** @param {boolean} isCovering */
  #toggle(isCovering) {
    this.#scored.isCovering = isCovering;
    this.#cover.setAttribute("aria-pressed", String(isCovering));
  }

  #uncover() {
    this.#scored.uncover();
    this.#cover.focus();
    this.#ask();
  }

  /** Only the answer to the last question is shown. */
  async #ask() {
    const { picture, cover } = this.#scored;
    const signal = this.#asking.ask();
    this.#all.hidden = !cover.count;
    this.#said.textContent = "";
    if (!this.#model || !picture) return;
    this.#list.setAttribute("aria-busy", "true");
    try {
      const body = await scoreForm(this.#model.name, picture);
      if (cover.count) body.set("mask", await pngOf(maskPicture(cover.hole, picture)), "mask.png");
      const { result, error } = await this.#api.ask("/classify", body, signal);
      if (signal.aborted) return;
      if (result?.type === "classification") this.#tell(result);
      else this.#said.textContent = error?.detail ?? "";
    } catch (error) {
      if (!signal.aborted) this.#said.textContent = explain(error).text;
    } finally {
      if (!signal.aborted) this.#list.removeAttribute("aria-busy");
    }
  }

  /** @param {ClassifyResult} result */
  #tell({ labels, nats, quality }) {
    for (const belief of labels) this.#move(belief, belief === labels[0]);
    const [{ name, p }] = labels;
    const facts = { name, share: percent(p), nats: fixed(nats, 1), quality: QUALITIES[quality] };
    this.#said.textContent = t("{nats} nats for what is seen, whatever its label · {quality}", facts);
    announce(t("{name} with {share}", facts));
  }

  /** @param {LabelBelief} belief @param {boolean} isFirst */
  #move({ label, p }, isFirst) {
    const line = this.#list.children[label];
    if (!(line instanceof HTMLElement)) return;
    line.style.setProperty("--share", String(p));
    line.classList.toggle("first", isFirst);
    line.lastElementChild?.replaceChildren(percent(p));
  }
}

/** @param {string} name */
function bar(name) {
  return el("li", {}, el("span", {}, name), el("span", { class: "share" }), el("span", {}));
}
