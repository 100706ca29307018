/** The room "Draw": a picture is drawn before the reader's eyes, until they draw on it. */

import { modelsFor, hasInk } from "../service/choice.js";
import { el, find } from "../parts/dom.js";
import { firstOfEach, KindPicker } from "../parts/kind_picker.js";
import { drawsBlobs, kindOf } from "../service/kinds.js";
import { formatNumber, t } from "../lang.js";
import { explain, Unreachable } from "../service/problems.js";
import { duration, NO_MODEL } from "../service/words.js";
import { Player } from "../parts/player.js";

/** @import {InkView} from "./ink_view.js" */
/** @import {Model, Shared} from "../types" */

/** Milliseconds between two looks at the clock while the networks are compiled. */
const WAIT_MS = 30_000;
/** Milliseconds without a picture after which a film is shown. */
const PATIENCE_MS = 600;

/**
 * Draws pictures of the chosen kind one after the other with a `Player`, and shows a film
 * until a model is ready. When the person touches the picture, an `InkView` takes the
 * player's place.
 */
export class DrawView {
  /**
   * @param {HTMLElement} element
   * @param {Shared} shared
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
    find(element, "[data-act=watch]").addEventListener("click", () => this.#watch());
    find(element, ".named").addEventListener("submit", (/** @type {SubmitEvent} */ event) => {
      event.preventDefault();
      this.#drawName();
    });
    this.#screen = find(element, ".screen");
    const canvas = find(this.#screen, "canvas");
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      // A finger may want to scroll; its tap draws.
      if (event.pointerType !== "touch" && event.button === 0) this.#drawOn(event);
    });
    canvas.addEventListener("click", (/** @type {PointerEvent} */ event) => {
      if (event.pointerType === "touch") this.#drawOn(event);
    });
    this.#kinds = new KindPicker(find(element, ".kinds"), "kind");
    this.#kinds.onChoose = (name) => this.#choose(name);
    shared.models.watch((models) => models && this.#suit(models));
    shared.isOnline.watch((isBack) => {
      if (!isBack || !this.#isCutOff) return;
      this.#say(null);
      this.open();
    });
    setTimeout(() => this.#fill(), PATIENCE_MS);
    // The sentence says how long it has taken.
    setInterval(() => this.#model?.compiling && !this.#player.isAsking && this.#tell(""), WAIT_MS);
  }

  #element;
  #line;
  #screen;
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
  /** @type {Promise<InkView | null> | null} */
  #ink = null;

  /**
   * Show the view and draw a picture if there is none.
   *
   * @param {string} [_place]
   * @param {string} [_further]
   * @param {string} [name] - "ink" for the pad, "watch" for the player, else as it was left.
   */
  open(_place, _further, name) {
    if (this.#element.hidden) return;
    if (name === "watch" && this.#isInk) return this.#watch();
    if (name === "ink" && !this.#isInk) return this.#lay(null);
    if (this.#isInk) return void this.#ink?.then((ink) => ink?.look());
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

  leave() {
    this.#player.leave();
    this.#ink?.then((ink) => ink?.leave());
  }

  /**
   * Put a picture of another view on the pad.
   *
   * @param {string} url - Data URL of the picture.
   * @param {string} name - Name of its model.
   * @param {string} _view
   * @param {number} [known] - Number of its first pixels that are known.
   */
  give(url, name, _view, known) {
    const model = this.#shared.models.value?.find((one) => one.name === name);
    if (model) this.#lay({ picture: url, model, known });
  }

  /** Return true if the pad is shown. */
  get #isInk() {
    return this.#element.dataset.mode === "ink";
  }

  /** Show the player again. */
  #watch() {
    this.leave();
    this.#element.dataset.mode = "watch";
    if (this.#model) this.#drawAnother(false);
    else this.#fill();
  }

  /**
   * Show the pad.
   *
   * @param {{picture: ImageData | string, model: Model, known?: number} | null} given -
   *     Picture to go on with; null for what is on the pad.
   * @param {PointerEvent} [event] - Stroke with which the person began.
   */
  async #lay(given, event) {
    this.#player.pause();
    this.#element.dataset.mode = "ink";
    const model = given?.model ?? this.#inkModel;
    this.#model = model;
    const answers = find(this.#element, ".ending");
    this.#ink ??= import("./ink_view.js").then(
      ({ InkView }) => new InkView(find(this.#element, ".desk"), answers, this.#shared),
      () => {
        // The next attempt may find the code.
        this.#ink = null;
        this.#element.dataset.mode = "watch";
        this.#say(new Unreachable());
        return null;
      },
    );
    const ink = await this.#ink;
    if (!ink) return;
    this.#kinds.offer(this.#offered, model && (this.#offered.find((one) => kindOf(one) === kindOf(model)) ?? model));
    if (given) await ink.give(given.picture, given.model, given.known);
    else ink.choose(model);
    if (event) ink.touch(event);
  }

  /** Return the chosen model if one can paint in its pictures, else the first with which one can. */
  get #inkModel() {
    const able = modelsFor("draw", this.#shared.models.value ?? []);
    const kind = this.#model && kindOf(this.#model);
    return able.find((one) => kindOf(one) === kind) ?? able[0] ?? null;
  }

  /** Show the picture that the chosen model draws for a name, and the line that embeds it. */
  #drawName() {
    const form = find(this.#element, ".named");
    const status = find(form, "[role=status]");
    const name = encodeURIComponent(form.elements.name.value);
    const src = new URL(`p/${this.#model?.name}/${name}.png?scale=8`, document.baseURI).href;
    const image = el("img", { alt: form.elements.name.value, src });
    image.onload = () => status.replaceChildren(image, el("code", {}, `<img src="${src}">`));
    image.onerror = () => status.replaceChildren(t("There is no address for this name and these pictures here."));
  }

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
    this.#model = ((isBusy || this.#isInk) && same) || next || same || this.#offered[0] || null;
    this.#kinds.offer(this.#offered, this.#model);
    if (this.#isInk) return void this.#ink?.then((ink) => ink?.choose(this.#inkModel));
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
    if (
      this.#isInk &&
      this.#model &&
      kindOf(this.#inkModel ?? this.#model) === kindOf(this.#model) &&
      hasInk(this.#model)
    )
      return void this.#lay(null);
    if (this.#isInk) return this.#watch();
    this.#drawAnother();
  }

  /** Draw a picture of the next kind for which a model is ready, of those that are no blobs. */
  #goOn() {
    const at = this.#offered.findIndex((model) => model === this.#model);
    const others = [...this.#offered.slice(at + 1), ...this.#offered.slice(0, at + 1)];
    const next = others.find((model) => this.#isReady(model) && !drawsBlobs(model)) ?? this.#model;
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
    const { model } = this.#player;
    const kind = kindOf(this.#model);
    if (isAsked && model && kindOf(model) !== kind) this.#screen.dataset.waiting = t("{kind}: being drawn", { kind });
  }

  /**
   * Let the person draw on what is drawn so far.
   *
   * @param {PointerEvent} [event] - Stroke with which they began.
   */
  #drawOn(event) {
    const { drawnPart, model, count } = this.#player;
    if (model && !hasInk(model)) return;
    this.#lay(model && drawnPart ? { picture: drawnPart, model, known: count } : null, event);
  }

  /**
   * Show who draws the picture, or that it is recorded, or what is waited for.
   *
   * @param {string} waiting
   */
  #tell(waiting) {
    this.#element.dataset.live = String(this.#player.isLive);
    const { model, isShown, isAsking } = this.#player;
    const isSame = model && this.#model && kindOf(model) === kindOf(this.#model);
    if (!isAsking || isSame) delete this.#screen.dataset.waiting;
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
      "Recorded earlier. The live one begins by itself: networks are compiled here once, for a minute or more ({minutes} so far). {ready} of {all} are ready.",
      { ...counts, minutes: duration(performance.now() / 1000) },
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
 * Return what a model was trained on, whether this browser draws, and why it draws
 * blobs, in words.
 *
 * @param {Model} model
 * @param {boolean} isHere
 */
function originOf(model, isHere) {
  const by = t("By a network trained on {data}.", { data: model.data.split(" (")[0] });
  const why = t("So small a network has learned colours and edges of such pictures, but not things: it draws blobs.");
  return [by, isHere && t("Drawn in this browser."), drawsBlobs(model) && why].filter(Boolean).join(" ");
}
