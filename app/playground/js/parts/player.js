/**
 * The player: shows a drawing pixel by pixel, with what the network expected, what it
 * cost, and what else could come.
 */

import { beliefPlots } from "./belief_plot.js";
import { find } from "./dom.js";
import { assetUrl } from "../files.js";
import { pause } from "../service/api.js";
import { Forecasts } from "../service/forecasts.js";
import { formatFixed, formatNumber, t } from "../lang.js";
import { saveFilm } from "../pixels/gif.js";
import { blankCanvas, contextOf, pixelsOf } from "../pixels/raster.js";
import { PixelNote } from "./pixel_note.js";
import { DrawingCanvas } from "./drawing_canvas.js";
import { LatestRequest } from "../signal.js";
import { costOfPixel, likelihood, percent, sureness } from "../service/words.js";
import { chanceOfWhite, drawPicture, redrawFrom, withOneLabel } from "../service/drawing.js";

/** @import {Backend} from "../service/backend.js" */
/** @import {AnswerOptions, Model} from "../types" */
/** @import {Drawing} from "../service/drawing.js" */

/** Pixels of a picture at the slider's speed; larger ones are drawn faster. */
const USUAL_PIXELS = 28 * 28;
const STILL = "(prefers-reduced-motion: reduce)";
/** Milliseconds that the slider must rest before a forecast is requested. */
const REST_MS = 200;
/** Milliseconds between two films. */
const FILM_PAUSE_MS = 2500;
/** Milliseconds that a finished picture is shown before another one begins by itself. */
const LOOK_MS = 4000;
/**
 * Milliseconds that a picture for which nobody asked waits for its first forecast, at most,
 * so that its fog is there from the first pixel.
 */
const FOG_LIMIT_MS = 4000;
/** Milliseconds in which a film plays to its end when a picture is ready. */
const FILM_END_MS = 1200;
/** Milliseconds between two looks at whether it has. */
const FRAME_MS = 50;
/** Pictures that follow each other by themselves, at most: a forgotten tab leaves the service alone. */
const MOST_IN_A_ROW = 30;
/** Recorded drawings. */
const FILMS = ["character", "digit"];
/** Completions that a film has for each place. */
const SHOWN = 3;
/** Rows between two places with completions in a film. */
const EVERY = 2;
/** A film's files count in this part of a bit. */
const UNITS = 4096;

/** Shows a drawing pixel by pixel, with controls for play, step, speed and place. */
export class Player {
  /**
   * @param {HTMLElement} view - Section with the canvas and the controls.
   * @param {Backend} backend - Draws and scores pictures.
   */
  constructor(view, backend) {
    this.#view = view;
    this.#backend = backend;
    const canvas = /** @type {HTMLCanvasElement} */ (find(view, "canvas"));
    this.#canvas = new DrawingCanvas(canvas);
    this.#note = new PixelNote(
      canvas,
      () => this.#drawing?.picture ?? null,
      (x, y) => this.#costAt(x, y),
    );
    // Moving the slider pauses, since the reader wants to look at that place.
    this.#place = find(view, ".place input");
    this.#place.addEventListener("input", () => this.#go(Number(this.#place.value), false));
    this.#use = find(view, "[data-act=use]");
    this.#play = find(view, "[data-act=play]");
    this.#play.addEventListener("click", () => this.#toggle());
    this.#step = find(view, "[data-act=step]");
    this.#step.addEventListener("click", () => this.#go(this.#at + 1, false));
    this.#film = find(view, "[data-act=film]");
    this.#film.addEventListener("click", () => this.#save());
    this.#roll = find(view, "[data-act=roll]");
    this.#roll.addEventListener("click", () => this.#rollAgain());
    this.#label();
  }

  /** Called with an error of the backend. @type {(error: unknown) => void} */
  onTrouble = () => {};
  /** Called with the state of a request in words; "" when none is open. @type {(text: string) => void} */
  onWait = () => {};
  /** Called when another picture is shown, when playing starts or stops, and when it is finished. */
  onChange = () => {};
  /** Called some seconds after a picture was finished, if the person did nothing. */
  onIdle = () => {};
  /** True while a picture is requested. */
  isAsking = false;

  #view;
  #backend;
  #canvas;
  #note;
  #place;
  #play;
  #step;
  #film;
  #roll;
  #use;
  #asking = new LatestRequest();
  #wondering = new LatestRequest();
  #chancesAt = -1;
  /** @type {Drawing | null} */
  #drawing = null;
  #forecasts = new Forecasts(new ImageData(1, 1), [], null);
  /** Model that drew the picture; null for a film. @type {Model | null} */
  model = null;
  /** Number of pixels that are shown. */
  #at = 0;
  #isPlaying = true;
  #frame = 0;
  #timer = 0;
  #films = 0;
  /** Pixels a second, at least. */
  #hurry = 0;
  /** True while another picture will begin by itself. */
  #goesOn = false;
  /** Pictures since the person did something. */
  #inARow = 0;

  /** Return true if this browser drew the picture. */
  get isHere() {
    return this.#drawing?.isHere ?? false;
  }

  /** Return true if the picture was drawn for the reader and is no film. */
  get isLive() {
    return this.model !== null;
  }

  get isShown() {
    return this.#drawing !== null;
  }

  get isFinished() {
    return this.#drawing !== null && this.#at >= this.#all;
  }

  /** Return the number of pixels that are shown. */
  get count() {
    return this.#at;
  }

  /**
   * Return the pixels of a drawing that are shown, the others transparent; null for a
   * film.
   *
   * @returns {ImageData | null}
   */
  get drawnPart() {
    if (!this.#drawing || !this.isLive) return null;
    const { picture } = this.#drawing;
    const part = new ImageData(picture.width, picture.height);
    part.data.set(picture.data.subarray(0, 4 * this.#at));
    return part;
  }

  get #all() {
    const { width = 0, height = 0 } = this.#drawing?.picture ?? {};
    return width * height;
  }

  /**
   * Draw another picture and show it. The one before stays until then.
   *
   * @param {Model} model
   * @param {boolean} isAsked - Whether the person asked for it.
   */
  begin(model, isAsked) {
    if (isAsked) this.#inARow = 0;
    const one = withOneLabel(model);
    return this.#draw(one, 0, (how) => drawPicture(this.#backend, one, how), !isAsked);
  }

  /** Show a recorded drawing, unless there is a live one. */
  async showFilm() {
    const { drawing, forecasts } = await film(this.#films);
    if (this.isLive) return;
    this.#films += 1;
    this.#show(drawing, forecasts, null, 0);
  }

  /** Cancel what is requested: the view is hidden. */
  leave() {
    this.#inARow = 0;
    this.#asking.start();
    this.isAsking = false;
    this.onWait("");
    this.#forecasts.stop();
  }

  /** Stop where it is: something else takes the picture's place. */
  pause() {
    this.#stay();
    this.#run(false);
    this.leave();
  }

  /** Draw the pixels behind the present place anew. */
  #rollAgain() {
    const [model, drawing, at] = [this.model, this.#drawing, this.#at];
    if (!model || !drawing) return;
    this.#run(false);
    this.#draw(model, at, (how) => redrawFrom(this.#backend, model, drawing.picture, at, how));
  }

  /**
   * Request a drawing and show it.
   *
   * @param {Model} model
   * @param {number} at - Number of pixels of the picture before that stay.
   * @param {(how: AnswerOptions) => Promise<Drawing>} ask - Requests the drawing.
   * @param {boolean} [isByItself] - Whether nobody asked for it.
   */
  async #draw(model, at, ask, isByItself = false) {
    const signal = this.#asking.start();
    this.isAsking = true;
    try {
      const drawing = await ask({ signal, onWait: (words) => this.onWait(words) });
      if (signal.aborted) return;
      // Forecasts of places before the change hold for the new drawing too.
      const known = model === this.model ? this.#forecasts.forecasts.filter(({ from }) => from <= at) : [];
      const forecasts = new Forecasts(drawing.picture, known, { backend: this.#backend, model });
      if (isByItself && !matchMedia(STILL).matches) {
        await Promise.race([forecasts.seek(at), pause(FOG_LIMIT_MS)]);
        if (!signal.aborted) await this.#hurryFilm();
        if (signal.aborted) return forecasts.stop();
      }
      this.#show(drawing, forecasts, model, at);
    } catch (error) {
      if (!signal.aborted) this.onTrouble(error);
    } finally {
      if (!signal.aborted) {
        this.isAsking = false;
        this.onWait("");
      }
    }
  }

  /** Let a film play to its end quickly, if one is playing. */
  async #hurryFilm() {
    if (!this.#drawing) return;
    this.#hurry = (this.#all - this.#at) / (FILM_END_MS / 1000);
    while (!this.isLive && this.#isPlaying && !this.#view.hidden) await pause(FRAME_MS);
  }

  /**
   * Show a drawing from a pixel on.
   *
   * @param {Drawing} drawing
   * @param {Forecasts} forecasts
   * @param {Model | null} model
   * @param {number} at
   */
  #show(drawing, forecasts, model, at) {
    this.#forecasts.stop();
    clearTimeout(this.#timer);
    this.#hurry = 0;
    this.#drawing = drawing;
    this.#forecasts = forecasts;
    this.model = model;
    forecasts.onNews = () => this.#run(this.#isPlaying);
    this.#use.href = `#${drawing.address}`;
    this.#place.max = this.#all;
    const isStill = matchMedia(STILL).matches;
    this.onChange();
    this.#go(isStill ? this.#all : at, !isStill);
  }

  #toggle() {
    this.#inARow = 0;
    if (this.#goesOn) return this.#stay();
    if (this.isFinished) this.#go(0, true);
    else this.#run(!this.#isPlaying);
    if (!this.#isPlaying) this.#seekSoon();
  }

  /**
   * @param {number} at - Number of pixels that are shown.
   * @param {boolean} isPlaying
   */
  #go(at, isPlaying) {
    this.#at = Math.min(at, this.#all);
    this.#goesOn = false;
    this.#run(isPlaying);
    if (!isPlaying) this.#seekSoon();
  }

  /** Request a forecast for this place when the slider rests. */
  #seekSoon() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#rest(), REST_MS);
  }

  /**
   * Request a forecast and, with a palette, the probability of each colour at the next
   * pixel.
   */
  async #rest() {
    const [model, drawing, at] = [this.model, this.#drawing, this.#at];
    this.#forecasts.seek(at);
    if (!model?.palette?.length || !drawing?.bits || this.isFinished) return;
    const { picture } = drawing;
    const wish = { picture, x: at % picture.width, y: Math.floor(at / picture.width) };
    const belief = await this.#backend.pixel(model, wish, { signal: this.#wondering.start() }).catch(() => null);
    if (!belief || drawing !== this.#drawing || at !== this.#at) return;
    find(this.#view, "[data-chances]").replaceChildren(...beliefPlots(belief.colours, model));
    this.#chancesAt = at;
  }

  /**
   * Show the drawing frame by frame until it stops and the fog is still.
   *
   * @param {boolean} isPlaying
   */
  #run(isPlaying) {
    this.#isPlaying = isPlaying;
    cancelAnimationFrame(this.#frame);
    let before = performance.now();
    let due = this.#at;
    const step = (/** @type {number} */ now) => {
      if (!this.#drawing) return;
      if (this.#isPlaying && !this.#view.hidden) {
        // The time of a frame may lie before its request, so the difference may be negative.
        due += (Math.max(0, now - before) / 1000) * this.#rate;
        this.#at = Math.min(Math.floor(due), this.#all);
        this.#forecasts.follow(this.#at, this.#rate);
      }
      before = now;
      if (this.isFinished && this.#isPlaying) this.#finish();
      const isMoving = this.#view.hidden || this.#showNow();
      if (this.#isPlaying || isMoving) this.#frame = requestAnimationFrame(step);
    };
    if (this.#drawing) this.#showNow();
    this.#label();
    this.#frame = requestAnimationFrame(step);
  }

  /** Stop at the end, and prepare the next picture. */
  #finish() {
    this.#isPlaying = false;
    this.#goesOn = this.isLive && this.#inARow < MOST_IN_A_ROW && !matchMedia(STILL).matches;
    this.#label();
    clearTimeout(this.#timer);
    if (!this.isLive) this.#timer = setTimeout(() => this.showFilm(), FILM_PAUSE_MS);
    if (this.#goesOn) this.#timer = setTimeout(() => this.#goOn(), LOOK_MS);
  }

  /**
   * Let another picture begin, unless the person reads a note or the page is hidden;
   * then try later.
   */
  #goOn() {
    if (!this.#goesOn) return;
    if (this.#note.isRead || document.hidden || this.#view.hidden) {
      this.#timer = setTimeout(() => this.#goOn(), LOOK_MS);
      return;
    }
    this.#goesOn = false;
    this.#inARow += 1;
    this.onIdle();
  }

  /** Keep the picture: no other one begins by itself. */
  #stay() {
    this.#goesOn = false;
    clearTimeout(this.#timer);
    this.#label();
  }

  /** Save how it was drawn, and keep it. */
  #save() {
    this.#stay();
    if (this.#drawing && this.model) saveFilm(this.#drawing.picture, this.model.name);
  }

  /**
   * Return what a pixel cost in words; "" if it is not shown yet or its cost is
   * unknown.
   *
   * @param {number} x
   * @param {number} y
   */
  #costAt(x, y) {
    const { picture, bits = null, isBinary = false } = this.#drawing ?? {};
    if (!picture || !bits) return "";
    const at = y * picture.width + x;
    if (at >= this.#at) return "";
    return costOfPixel(bits[at], isBinary ? picture.data[4 * at] > 127 : null);
  }

  /** Return pixels a second: a picture takes the same time at any size. */
  get #rate() {
    const usual = (10 ** Number(find(this.#view, ".speed input").value) * this.#all) / USUAL_PIXELS;
    return Math.max(usual, this.#hurry);
  }

  /** Set the texts and states of the controls. */
  #label() {
    this.#play.textContent =
      this.#isPlaying || this.#goesOn ? t("Pause") : this.isFinished ? t("Once more") : t("Go on");
    for (const control of [this.#play, this.#step, this.#place]) control.disabled = !this.#drawing;
    this.#roll.disabled = !this.isLive || this.isFinished;
    this.#use.hidden = !this.isFinished || !this.#drawing?.address;
    this.#film.hidden = !this.isFinished || !this.isLive;
    this.#step.hidden = !this.#film.hidden;
    this.#roll.hidden = !this.#use.hidden;
    this.onChange();
  }

  /** Show everything about the present place; return true if something is still moving. */
  #showNow() {
    const drawing = /** @type {Drawing} */ (this.#drawing);
    const forecast = this.#forecasts.before(this.#at);
    this.#place.value = String(this.#at);
    this.#count(drawing);
    this.#expect(drawing);
    if (this.#at !== this.#chancesAt) find(this.#view, "[data-chances]").replaceChildren();
    this.#note.refresh();
    this.#showCompletions(this.isFinished ? [] : (forecast?.completions ?? []));
    return this.#canvas.paint(drawing, this.#at, forecast, matchMedia(STILL).matches);
  }

  /**
   * Show what the pixels have cost so far, or at the end.
   *
   * @param {Drawing} drawing
   */
  #count({ bits, total, rarity }) {
    const spent = this.isFinished ? total : (bits?.slice(0, this.#at).reduce((sum, cost) => sum + cost, 0) ?? null);
    const sums = find(this.#view, ".sums");
    sums.hidden = spent === null;
    const rare = find(this.#view, "[data-rarity]");
    rare.parentElement.hidden = !this.isFinished || rarity === null;
    rare.textContent = t("{share} of its kind", { share: percent(rarity ?? 0) });
    if (spent === null) return;
    find(sums, "[data-so-far]").textContent = this.isFinished ? t("Surprise, all in all") : t("Surprise so far");
    find(sums, "[data-bits]").textContent = t("{bits} bits", { bits: formatFixed(spent, 1) });
    find(sums, "[data-likelihood]").textContent = likelihood(spent);
  }

  /**
   * Show the next pixel and how sure the network is.
   *
   * @param {Drawing} drawing
   */
  #expect({ picture, isBinary, bits }) {
    const line = find(this.#view, ".next");
    const bar = find(this.#view, ".chance");
    // The bar shows the chance of white, which only black and white pictures have.
    bar.hidden = this.isFinished || !bits || !isBinary;
    if (this.isFinished) {
      line.textContent = t("Finished: all {count} pixels are there.", { count: formatNumber(this.#all) });
      return;
    }
    const { width } = picture;
    const place = { row: Math.floor(this.#at / width) + 1, column: (this.#at % width) + 1 };
    if (!bits) line.textContent = t("Next, row {row}, column {column}", place);
    else if (!isBinary) {
      const count = likelihood(bits[this.#at]);
      line.textContent = t("Next, row {row}, column {column}: a colour of which the chance was {count}", {
        ...place,
        count,
      });
    } else {
      const white = 100 * chanceOfWhite(picture, bits, this.#at);
      const share = formatFixed(white, 1);
      const facts = { ...place, percent: share, words: sureness(white / 100) };
      line.textContent = t("Next, row {row}, column {column}: {words} (white: {percent}%)", facts);
      bar.setAttribute("aria-label", t("Chance of white: {percent}%", { percent: share }));
      bar.firstElementChild.style.width = `${white}%`;
    }
  }

  /** @param {ImageData[]} completions */
  #showCompletions(completions) {
    const place = find(this.#view, ".could");
    place.hidden = !completions.length;
    const row = find(place, ".futures");
    completions.forEach((completion, i) => {
      const { width, height } = completion;
      const isThere = row.children[i]?.width === width && row.children[i].height === height;
      if (!isThere) row.children[i]?.remove();
      if (!isThere) row.insertBefore(blankCanvas(width, height), row.children[i] ?? null);
      contextOf(row.children[i]).putImageData(completion, 0, 0);
    });
  }
}

/**
 * Return a recorded drawing with its forecasts; docs/tools/make_films.py describes the files.
 *
 * @param {number} number - Number of the film; they repeat.
 * @returns {Promise<{drawing: Drawing, forecasts: Forecasts}>}
 */
async function film(number) {
  const strip = await pixelsOf(assetUrl(`film-${FILMS[number % FILMS.length]}.webp`));
  const side = strip.width;
  const square = (/** @type {number} */ k) =>
    new ImageData(strip.data.slice(4 * side * side * k, 4 * side * side * (k + 1)), side);
  const [picture, high, low] = [square(0), square(1), square(2)];
  const bits = Array.from({ length: side * side }, (_, i) => (256 * high.data[4 * i] + low.data[4 * i]) / UNITS);
  const known = Array.from({ length: Math.ceil(side / EVERY) }, (_, k) => {
    const [mean, ...completions] = Array.from({ length: 1 + SHOWN }, (_, i) => square(3 + k * (1 + SHOWN) + i));
    return { from: EVERY * k * side, mean, completions };
  });
  const total = bits.reduce((sum, cost) => sum + cost, 0);
  const drawing = { address: "", picture, isBinary: true, bits, total, rarity: null, isHere: false };
  return { drawing, forecasts: new Forecasts(picture, known, null) };
}
