/**
 * What the network makes of the ink on the pad: the likeliest labels, four completions,
 * and the probability of the ink.
 */

import { receiptOf } from "../service/api.js";
import { similarModels, bestForHole } from "../service/choice.js";
import { announce, el } from "./dom.js";
import { CurrentQuestion } from "../service/current_question.js";
import { Bars, QUALITIES } from "./label_bars.js";
import { t } from "../lang.js";
import { friendlySeed } from "../service/requests.js";
import { Tiles } from "./tiles.js";
import { chanceOfGiven, chanceOfPicture, qualityWords, quality } from "../service/words.js";

/** @import {DrawResult, Model, Shared} from "../types" */
/** @import {Pad} from "./pad.js" */

/** Milliseconds without a stroke before completions are requested. */
const REST_MS = 300;
/** Completions that are drawn. */
const COUNT = 4;
/** Particles of the greatest effort, at most. */
const MOST_PARTICLES = 128;
/**
 * State before there is an answer. effort: how often the person pressed "Try harder". large:
 * index of the completion that is shown on the pad, -1 for none.
 */
const NOTHING = {
  sentence: "",
  standing: "",
  receipt: "",
  job: "",
  isRough: false,
  isAnswered: false,
  effort: 0,
  large: -1,
};

/** Completions of the ink on a pad, drawn while the person paints. */
export class Completions {
  /**
   * @param {Shared} shared
   * @param {Pad} pad - Pad with the ink; completions and the fog are shown on it.
   */
  constructor(shared, pad) {
    this.#backend = shared.backend;
    this.#hasService = shared.api.hasService;
    this.#pad = pad;
    this.#tiles.onOpen = (sample) => this.#tell({ large: this.#state.large === sample ? -1 : sample });
    this.#harder.addEventListener("click", () => this.#finish(this.#state.effort + 1));
    const strip = el("div", { class: "completions" }, this.#tiles.element);
    this.labels = el("div", { class: "guesses" }, this.#bars.element, this.#doubt);
    const actions = el("p", { class: "actions" }, this.#harder, this.#use);
    this.element = el("div", { class: "answers" }, this.#sentence, strip, this.#standing, this.#receipt, actions);
    this.#question = new CurrentQuestion(
      shared.isOnline,
      (standing) => this.#tell({ standing }),
      () => this.look(),
    );
  }

  /** Bars with the probability of each label. @type {HTMLElement} */
  labels;

  #backend;
  #hasService;
  #pad;
  #sentence = el("p", { class: "sentence" });
  #tiles = new Tiles();
  #standing = el("p", { class: "standing", role: "status" });
  #receipt = el("p", { class: "receipt hint" });
  #harder = el("button", { type: "button" }, t("Try harder"));
  #use = el("a", { class: "button" }, t("Open in Complete"));
  #question;
  #bars = new Bars();
  #doubt = el("p", { class: "hint" });
  /** Models that draw the kind of picture on the pad. @type {Model[]} */
  #models = [];
  #state = NOTHING;
  #timer = 0;

  /**
   * Use the models that draw the same kind of picture as this one.
   *
   * @param {Model[]} models
   * @param {Model} model - Model whose kind of picture is painted.
   */
  suit(models, model) {
    this.#models = similarModels(models, model);
    this.#clearLabels();
  }

  /** Remove the answers, which belong to other ink. */
  begin() {
    this.leave();
    this.#tiles.stop();
    this.#tiles.paintings = [];
    this.#tiles.element.replaceChildren();
    this.#clearLabels();
    this.#tell(NOTHING);
  }

  /** Request completions after a moment: the pen was lifted. */
  rest() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finish(0), REST_MS);
  }

  /** Request completions if there are none: the view is shown. */
  look() {
    if (!this.#state.isAnswered && !this.#question.isAsking) this.#finish(this.#state.effort);
  }

  /** Show a sentence in place of an answer. */
  say = (/** @type {string} */ standing) => this.#tell({ standing });

  /** Cancel what is requested: the view is hidden. */
  leave() {
    clearTimeout(this.#timer);
    this.#question.giveUp();
  }

  /** Return a model with labels that somebody can ask about holes; null without a service. */
  get #reader() {
    if (!this.#hasService) return null;
    return this.#models.find(({ can, labels }) => labels.length && can.includes("classify")) ?? null;
  }

  /** Show bars without a number, so that nothing moves when the numbers come. */
  #clearLabels() {
    this.#bars.lay((this.#reader?.labels ?? []).map(({ name }) => name));
    this.#doubt.textContent = "";
  }

  /**
   * Show the probability of each label, given the known pixels only.
   *
   * @param {ImageData} picture
   * @param {Uint8Array} hole
   * @param {AbortSignal} signal
   */
  async #guess(picture, hole, signal) {
    const reader = this.#reader;
    const found = reader && (await this.#backend.classify(reader, { picture, hole }, { signal }).catch(() => null));
    if (!found || signal.aborted) return;
    this.#bars.show(found.labels);
    const isSure = ["exact", "good"].includes(found.quality);
    this.#doubt.textContent = isSure ? "" : t("Labels: {quality}", { quality: QUALITIES[found.quality] });
  }

  /**
   * Request completions, or the score of the picture if nothing is unknown.
   *
   * @param {number} effort - 0 for a quick answer, more for better ones.
   */
  #finish(effort) {
    // The view may be opened while a stroke rests: there must be one question only.
    clearTimeout(this.#timer);
    const { picture, unknown } = this.#pad;
    const model = bestForHole(this.#models, unknown);
    if (!model) return;
    if (!this.#backend.isReady("complete", model)) return this.#tell({ standing: t("The model is being made ready…") });
    this.#question.ask(async (signal) => {
      if (unknown.includes(1))
        await this.#complete(model, { picture, hole: unknown, ...effortOf(model, effort) }, signal);
      else await this.#judge(model, picture, signal);
      if (signal.aborted) return;
      this.#tell({ effort, isAnswered: true });
      await this.#guess(picture, unknown, signal);
    });
  }

  /**
   * Draw the completions and show them as they arrive.
   *
   * @param {Model} model
   * @param {any} wish
   * @param {AbortSignal} signal
   */
  async #complete(model, wish, signal) {
    this.#tell({ standing: t("The network draws…") });
    const result = await this.#backend.complete(
      model,
      { n: COUNT, seed: friendlySeed(), temperature: 1, ...wish },
      {
        signal,
        onWait: (standing) => this.#tell({ standing }),
        onJob: (job, given) => this.#tiles.lay(job, given),
        onRow: (row) => this.#tiles.put(row),
        onMean: (mean, sample) => {
          // The fog changes while particles are computed.
          this.#tiles.paintings[sample]?.showMean(mean);
          this.#pad.showMean(mean);
        },
      },
    );
    this.#present(result);
  }

  /**
   * Show the finished completions, their quality and the probability of the ink.
   *
   * @param {DrawResult} drawn
   */
  #present({ job, mean, isHere }) {
    const receipt = receiptOf(job);
    const word = receipt?.quality;
    const sentence = t("Four endings. Choose one to see it large, or draw on.");
    this.#tiles.rest();
    this.#tiles.addQualities(qualityWords(receipt));
    this.#tell({
      standing: isHere ? `${sentence} ${t("Drawn in this browser.")}` : sentence,
      sentence: receipt && word ? chanceOfGiven(receipt, word) : "",
      receipt: receipt ? quality(receipt) : "",
      job: isHere ? "" : job.id,
      isRough: Boolean(word) && word !== "exact",
      large: -1,
    });
    announce(this.#state.sentence);
    if (mean) this.#pad.showMean(mean);
  }

  /**
   * Show how probable the picture is, since nothing is left to draw.
   *
   * @param {Model} model
   * @param {ImageData} picture
   * @param {AbortSignal} signal
   */
  async #judge(model, picture, signal) {
    this.#tell({ standing: t("Asking the model…") });
    const { score } = await this.#backend.score(model, { picture }, { signal });
    const standing = t("Everything is given. Make something unknown, and it is drawn.");
    this.#tell({ standing, sentence: chanceOfPicture(score) });
    announce(this.#state.sentence);
  }

  /**
   * Change the state and show it.
   *
   * @param {Partial<typeof NOTHING>} news
   */
  #tell(news) {
    this.#state = { ...this.#state, ...news };
    const { sentence, standing, receipt, job, isRough, effort, large } = this.#state;
    this.#sentence.textContent = sentence;
    this.#standing.textContent = standing;
    this.#receipt.textContent = receipt;
    this.#harder.hidden = !isRough || effort > 1;
    this.#use.hidden = !job;
    this.#use.href = `#complete/${job}`;
    this.#pad.show(this.#tiles.paintings[large]?.whole("final") ?? null);
  }
}

/**
 * Return the options of an effort: a quick answer first, then the service's defaults,
 * then as many particles as there is room for.
 *
 * @param {Model} model
 * @param {number} effort
 */
function effortOf({ max_particles: most }, effort) {
  return [{ sweeps: 0 }, {}][effort] ?? { particles: Math.min(MOST_PARTICLES, most) };
}
