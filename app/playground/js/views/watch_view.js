/** The view "Watch": a picture is drawn before the reader's eyes. */

import { modelsFor, hasInk } from "../service/choice.js";
import { find } from "../parts/dom.js";
import { firstOfEach, KindPicker } from "../parts/kind_picker.js";
import { kindOf } from "../service/kinds.js";
import { formatNumber, t } from "../lang.js";
import { explain, Unreachable } from "../service/problems.js";
import { dataUrlOf } from "../pixels/raster.js";
import { NO_MODEL } from "../service/words.js";
import { Player } from "../parts/player.js";

/** @import {Model, Shared} from "../types" */

/** Milliseconds without a picture after which a film is shown. */
const PATIENCE_MS = 600;

/**
 * The view at #watch, the first of the page. rooms.js makes one when the view is first
 * opened.
 *
 * It draws pictures of the chosen kind one after the other with a `Player`, and shows a
 * film until a model is ready. `open()` starts, `leave()` cancels what is requested.
 * Errors are shown as sentences.
 */
export class WatchView {
  /**
   * @param {HTMLElement} element - Section of the view.
   * @param {Shared} shared - State and services of the page.
   */
  constructor(element, shared) {
    this.#element = element;
    this.#line = find(element, ".explained > .trouble");
    this.#shared = shared;
    this.#player = new Player(element, shared.backend);
    this.#player.onTrouble = (error) => this.#say(error);
    this.#player.onWait = (text) => this.#tell(text);
    this.#player.onChange = () => this.#tell("");
    this.#player.onIdle = () => this.#goOn();
    find(element, "[data-act=another]").addEventListener("click", () => this.#drawAnother());
    find(element, "[data-act=mine]").addEventListener("click", () => this.#drawOn());
    this.#kinds = new KindPicker(find(element, ".kinds"), "watched");
    this.#kinds.onChoose = (name) => this.#choose(name);
    shared.models.watch((models) => models && this.#suit(models));
    shared.isOnline.watch((isBack) => {
      if (!isBack || !this.#isCutOff) return;
      this.#say(null);
      this.open();
    });
    setTimeout(() => this.#fill(), PATIENCE_MS);
  }

  #element;
  #line;
  #shared;
  #player;
  #kinds;
  /** The best model of each kind of picture. @type {Model[]} */
  #offered = [];
  /** @type {Model | null} */
  #model = null;
  #all = 0;
  #isReadyCount = 0;
  #isCutOff = false;
  #isPatient = true;

  /** Show the view and draw a picture if there is none. */
  open() {
    if (this.#element.hidden) return;
    const isReady = this.#isReady(this.#model);
    if (isReady && !this.#player.isLive && !this.#player.isAsking) this.#drawAnother(false);
    else if (!this.#isPatient) this.#fill();
  }

  /**
   * Return true if somebody can draw with a model at once.
   *
   * @param {Model | null | undefined} model
   */
  #isReady(model) {
    return Boolean(model && this.#shared.backend.isReady("sample", model));
  }

  leave = () => this.#player.leave();

  /** Show a film if there is nothing else. */
  #fill() {
    this.#isPatient = false;
    if (!this.#player.isShown && !this.#element.hidden) this.#player.showFilm();
  }

  /**
   * Choose among the models that are loaded now.
   *
   * @param {Model[]} models
   */
  #suit(models) {
    this.#offered = firstOfEach(modelsFor("watch", models));
    this.#all = models.length;
    this.#isReadyCount = models.filter(({ compiling }) => !compiling).length;
    const before = this.#model;
    const same = this.#offered.find((model) => before && kindOf(model) === kindOf(before));
    const isBusy = this.#player.isLive || this.#player.isAsking;
    const ready = this.#offered.find((model) => this.#isReady(model));
    const next = this.#isReady(same) ? same : ready;
    this.#model = (isBusy && same) || next || same || this.#offered[0] || null;
    this.#kinds.offer(this.#offered, this.#model);
    if (!this.#model) this.#say(NO_MODEL);
    else if (this.#line.textContent === NO_MODEL) this.#say(null);
    this.#tell("");
    this.open();
  }

  /**
   * Draw with the model of this name.
   *
   * @param {string} name
   */
  #choose(name) {
    this.#model = this.#offered.find((model) => model.name === name) ?? null;
    this.#drawAnother();
  }

  /** Draw a picture of the next kind for which a model is ready. */
  #goOn() {
    const at = this.#offered.findIndex((model) => model === this.#model);
    const others = [...this.#offered.slice(at + 1), ...this.#offered.slice(0, at + 1)];
    const next = others.find((model) => this.#isReady(model)) ?? this.#model;
    this.#model = next;
    this.#kinds.offer(this.#offered, next);
    this.#drawAnother(false);
  }

  /**
   * Draw another picture.
   *
   * isAsked: Whether the person asked for it.
   */
  #drawAnother(isAsked = true) {
    this.#say(null);
    if (!this.#model) return this.#say(NO_MODEL);
    this.#isCutOff = false;
    this.#player.begin(this.#model, isAsked);
  }

  /** Open the pad with what is drawn so far. */
  #drawOn() {
    const { drawnPart, model } = this.#player;
    if (model && drawnPart) this.#shared.onSend("ink", dataUrlOf(drawnPart), model.name, this.#player.count);
    else location.hash = "ink";
  }

  /**
   * Show who draws the picture, or that it is recorded, or what is waited for.
   *
   * @param {string} waiting
   */
  #tell(waiting) {
    const present = t("This picture is being drawn one pixel at a time");
    const past = t("This picture was drawn one pixel at a time");
    find(this.#element, "h1").textContent = this.#player.isFinished ? past : present;
    this.#element.dataset.live = String(this.#player.isLive);
    const { model, isShown } = this.#player;
    find(this.#element, "[data-act=another]").disabled = !this.#isReady(this.#model);
    find(this.#element, "[data-act=mine]").disabled = model !== null && !hasInk(model);
    const source = model ? originOf(model, this.#player.isHere) : isShown ? this.#recorded : "";
    find(this.#element, ".origin").textContent = waiting || source;
    find(this.#element, ".origin").title = model?.name ?? "";
  }

  /** Return why a recorded picture is shown. */
  get #recorded() {
    if (!this.#model?.compiling) return t("Recorded earlier.");
    const counts = { ready: formatNumber(this.#isReadyCount), all: formatNumber(this.#all) };
    if (this.#model.state === "loading") {
      return t(
        "Recorded earlier. The live one begins by itself in some seconds: {ready} of {all} networks are loaded.",
        counts,
      );
    }
    return t(
      "Recorded earlier. The live one begins by itself: the networks are being compiled for this processor, once, which takes about a minute. {ready} of {all} are ready.",
      counts,
    );
  }

  /**
   * Show a sentence about an error; null hides it.
   *
   * @param {unknown} error
   */
  #say(error) {
    // When the server is back, drawing begins by itself.
    this.#isCutOff = error instanceof Unreachable;
    this.#line.hidden = error === null;
    this.#line.textContent = error === null || typeof error === "string" ? error : explain(error).text;
    if (error !== null && !this.#isPatient) this.#fill();
  }
}

/**
 * Return what a model was trained on, and whether this browser draws, in words.
 *
 * @param {Model} model
 * @param {boolean} isHere
 */
function originOf({ data }, isHere) {
  const by = t("By a network trained on {data}.", { data: data.split(" (")[0] });
  return isHere ? `${by} ${t("Drawn in this browser.")}` : by;
}
