/** How probable each label is, given a picture: bars that move as pixels of it are painted over. */

import { announce, el } from "./dom.js";
import { fixed, t } from "../lang.js";
import { explain } from "../service/problems.js";
import { Latest } from "../signal.js";
import { percent } from "../service/words.js";

/** @import {Asking} from "../service/asking.js" */
/** @import {ScoredPicture} from "./scored_picture.js" */
/** @import {Classified, Model} from "../types" */

const QUALITIES = { exact: t("exact"), good: t("well known"), rough: t("roughly known"), poor: t("hardly known") };

export class LabelBars {
  /** @param {Asking} ask @param {ScoredPicture} scored whose pixels are painted over */
  constructor(ask, scored) {
    this.#ask = ask;
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
      this.#list,
      this.#said,
      el("p", { class: "actions" }, this.#cover, this.#all),
    );
  }

  #ask;
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
    this.#judge();
  }

  /** @param {boolean} isCovering */
  #toggle(isCovering) {
    this.#scored.isCovering = isCovering;
    this.#cover.setAttribute("aria-pressed", String(isCovering));
  }

  #uncover() {
    this.#scored.uncover();
    this.#cover.focus();
    this.#judge();
  }

  /** Only the answer to the last question is shown. */
  async #judge() {
    const { picture, cover } = this.#scored;
    const signal = this.#asking.ask();
    this.#all.hidden = !cover.count;
    this.#said.textContent = "";
    if (!this.#model || !picture) return;
    this.#list.setAttribute("aria-busy", "true");
    try {
      const found = await this.#ask.classify(this.#model, { picture, hole: cover.hole }, { signal });
      if (!signal.aborted) this.#tell(found);
    } catch (error) {
      if (!signal.aborted) this.#said.textContent = explain(error).text;
    } finally {
      if (!signal.aborted) this.#list.removeAttribute("aria-busy");
    }
  }

  /** @param {Classified} found */
  #tell({ labels, nats, quality }) {
    for (const belief of labels) this.#move(belief, belief === labels[0]);
    const [{ name, p }] = labels;
    const facts = { name, share: percent(p), nats: fixed(nats, 1), quality: QUALITIES[quality] };
    this.#said.textContent = t("{nats} nats for what is seen, whatever its label · {quality}", facts);
    announce(t("{name} with {share}", facts));
  }

  /** @param {Classified["labels"][0]} belief @param {boolean} isFirst */
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
