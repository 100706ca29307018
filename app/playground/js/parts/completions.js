/** What the network makes of ink while it is laid: what the strokes look like, four endings, and how likely all of it is. */

import { receiptOf } from "../service/api.js";
import { similarModels, bestForHole } from "../service/choice.js";
import { announce, el } from "./dom.js";
import { CurrentQuestion } from "../service/current_question.js";
import { Bars } from "./label_bars.js";
import { t } from "../lang.js";
import { friendlySeed } from "../service/requests.js";
import { Tiles } from "./tiles.js";
import { chanceOfGiven, chanceOfPicture, qualityWords, quality } from "../service/words.js";

/** @import {DrawResult, Model, Shared} from "../types" */
/** @import {Pad} from "./pad.js" */

const REST_MS = 300;
const COUNT = 4;
const MOST_PARTICLES = 128;
/** What is seen before there is an answer. effort: how often it was told to try harder; large: the ending that is seen on the pad, -1 = none. */
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

export class Completions {
  /** @param {Shared} shared @param {Pad} pad */
  constructor(shared, pad) {
    this.#backend = shared.backend;
    this.#pad = pad;
    this.#tiles.onOpen = (sample) => this.#tell({ large: this.#state.large === sample ? -1 : sample });
    this.#harder.addEventListener("click", () => this.#finish(this.#state.effort + 1));
    this.strip = el("div", { class: "completions" }, this.#tiles.element);
    const actions = el("p", { class: "actions" }, this.#harder, this.#use);
    this.element = el("div", { class: "answers" }, this.#sentence, this.strip, this.#standing, this.#receipt, actions);
    this.#question = new CurrentQuestion(
      shared.isOnline,
      (standing) => this.#tell({ standing }),
      () => this.look(),
    );
  }

  /** Bars that say what the strokes look like. */
  bars = new Bars();
  /** The endings side by side; the reader's screen decides where they stand. @type {HTMLElement} */
  strip;

  #backend;
  #pad;
  #sentence = el("p", { class: "sentence" });
  #tiles = new Tiles();
  #standing = el("p", { class: "standing", role: "status" });
  #receipt = el("p", { class: "receipt hint" });
  #harder = el("button", { type: "button" }, t("Try harder"));
  #use = el("a", { class: "button" }, t("Open in Complete"));
  #question;
  /** Those that draw the same kind of picture. @type {Model[]} */
  #models = [];
  #state = NOTHING;
  #timer = 0;
  /** A guess at what is drawn is on its way, and then another one. */
  #isGuessing = false;
  #isDrawnOn = false;

  /** @param {Model[]} models @param {Model} model whose kind of picture is drawn */
  suit(models, model) {
    this.#models = similarModels(models, model);
    this.bars.lay((this.#reader?.labels ?? []).map(({ name }) => name));
  }

  /** Other ink is laid: what was answered belongs to what was there. */
  begin() {
    this.leave();
    this.#tiles.stop();
    this.#tiles.paintings = [];
    this.#tiles.element.replaceChildren();
    this.#tell(NOTHING);
  }

  /** The pen moves. */
  stroke() {
    this.begin();
    this.#guess();
  }

  /** The pen rests. */
  rest() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#finish(0), REST_MS);
  }

  /** It is seen now. */
  look() {
    if (!this.#state.isAnswered && !this.#question.isAsking) this.#finish(this.#state.effort);
  }

  /** Beneath what it is about: where the endings stand on a wide screen. */
  takeStrip() {
    this.#sentence.after(this.strip);
  }

  say = (/** @type {string} */ standing) => this.#tell({ standing });

  leave() {
    clearTimeout(this.#timer);
    this.#question.giveUp();
  }

  /** Which label the strokes look like while the hand is down; what is unknown is black. */
  async #guess() {
    this.#isDrawnOn = true;
    if (this.#isGuessing) return;
    this.#isGuessing = true;
    while (this.#isDrawnOn) {
      this.#isDrawnOn = false;
      const reader = this.#reader;
      const never = new AbortController().signal;
      const found = reader && this.#backend.classifyHere(reader, { picture: this.#pad.picture }, { signal: never });
      const labels = (await found?.catch(() => null))?.labels;
      if (labels && reader === this.#reader) this.bars.show(labels);
    }
    this.#isGuessing = false;
  }

  /** The model that reads what is drawn in this browser, if there is one. */
  get #reader() {
    return this.#models.find((model) => model.labels.length && this.#backend.browser.can("classify", model)) ?? null;
  }

  /** The rest is drawn, or, where there is none, what is there is judged. @param {number} effort */
  #finish(effort) {
    clearTimeout(this.#timer); // one question, also where the view opens while a stroke rests
    const { picture, unknown } = this.#pad;
    const model = bestForHole(this.#models, unknown);
    if (!model) return;
    if (!this.#backend.isReady("complete", model)) return this.#tell({ standing: t("The model is being made ready…") });
    this.#question.ask(async (signal) => {
      if (unknown.includes(1))
        await this.#complete(model, { picture, hole: unknown, ...effortOf(model, effort) }, signal);
      else await this.#judge(model, picture, signal);
      if (!signal.aborted) this.#tell({ effort, isAnswered: true });
    });
  }

  /** @param {Model} model @param {any} wish @param {AbortSignal} signal */
  async #complete(model, wish, signal) {
    this.#tell({ standing: t("The network draws…") });
    const drawn = await this.#backend.complete(
      model,
      { n: COUNT, seed: friendlySeed(), temperature: 1, ...wish },
      {
        signal,
        onWait: (standing) => this.#tell({ standing }),
        onJob: (job, given) => this.#tiles.lay(job, given),
        onRow: (row) => this.#tiles.put(row),
        onMean: (mean, sample) => {
          this.#tiles.paintings[sample]?.showMean(mean); // the fog moves while particles work
          this.#pad.showMean(mean);
        },
      },
    );
    this.#present(drawn);
  }

  /** @param {DrawResult} drawn */
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

  /** Nothing is left to draw. @param {Model} model @param {ImageData} picture @param {AbortSignal} signal */
  async #judge(model, picture, signal) {
    this.#tell({ standing: t("Asking the model…") });
    const { score } = await this.#backend.score(model, { picture }, { signal });
    const standing = t("Everything is given. Make something unknown, and it is drawn.");
    this.#tell({ standing, sentence: chanceOfPicture(score) });
    announce(this.#state.sentence);
  }

  /** @param {Partial<typeof NOTHING>} news */
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

/** A quick answer first; then as the server does it, then with all that there is room for. @param {Model} model @param {number} effort */
function effortOf({ max_particles: most }, effort) {
  return [{ sweeps: 0 }, {}][effort] ?? { particles: Math.min(MOST_PARTICLES, most) };
}
