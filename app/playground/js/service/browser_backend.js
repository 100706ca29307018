/**
 * Answer a view in this browser, with the service's own engine and weights: the results
 * have the same bytes. Knows no element.
 */

import { t } from "../lang.js";
import { FieldTrouble } from "./problems.js";
import { settingsIn } from "./settings.js";
import { dataUrlOf, holeOf, maskPicture, nearestColour, pixelsOf, rgbaOf } from "../pixels/raster.js";

/** @import {Classification, DrawResult, JobInput, AnswerOptions, JobResult, Job, Model, RowEvent, ScoreAnswer, Shared, DrawOptions} from "../types" */

/** A loaded model; `isClosed` is true if its worker has ended. @typedef {import("../../../../engine/types").Portable & {readonly isClosed?: boolean}} Portable */
/** Shape of a model's pictures. @typedef {{width: number, height: number, channels: number, values: number, palette?: string[] | null}} Shape */

/** Name of the engine's arithmetic: only jobs drawn with it have the same bytes. */
const ARITHMETIC = "cpu-compiled";
/** Calls that the engine can answer for every model that this browser can fetch. */
const CALLS = ["sample", "rows", "complete", "score", "scoreMap"];

/**
 * Answers views with the engine in this browser, as `ServiceBackend` does by the service.
 *
 * All calls fetch the model if necessary and raise FieldTrouble if that fails, and
 * otherwise the engine's errors; `redraw` returns null instead. Models stay loaded for
 * the lifetime of the page, each in its own Web Worker; one whose worker has ended is
 * loaded again.
 */
export class BrowserBackend {
  /**
   * @param {Pick<Shared, "api" | "info" | "models">} shared - The API and the page's
   *     shared state.
   */
  constructor({ api, info, models }) {
    this.#api = api;
    this.#info = info;
    this.#models = models;
  }

  #api;
  #info;
  #models;

  /**
   * Return true if this browser can answer a call with a model: a model of one scale
   * that the service draws with on CPUs.
   *
   * @param {string} call
   * @param {Model} model
   */
  can(call, { small_height: hasSmall, loaded_on: holders = [], labels, isPortable = true }) {
    const isOnProcessors = holders.every(({ device }) => device === "cpu");
    if (hasSmall || !isPortable || !isOnProcessors || !this.#info.value?.portable) return false;
    return CALLS.includes(call) || (call === "classify" && labels.length > 0);
  }

  /**
   * Return true if this browser can draw a job's images with the same bytes.
   *
   * @param {Job} job
   */
  canDraw({ kind, model: name, numerics, cutouts, width, height }) {
    const model = this.#models.value?.find((one) => one.name === name);
    // The engine draws only pictures of the model's size.
    if (!model || width !== model.width || height !== model.height) return false;
    const isOurs = [null, undefined, ARITHMETIC].includes(numerics) && !cutouts;
    return Boolean(isOurs && this.can(kind === "sample" ? "rows" : kind, model));
  }

  /**
   * Fetch the engine and the weights of a model. Return true if they are there.
   *
   * @param {string} name
   * @param {Weights} weights - Digests of the model.
   */
  async fetch(name, weights) {
    return Boolean(await this.#found(name, weights));
  }

  /**
   * Draw the images of a job again, row by row.
   *
   * @param {Job} job
   * @param {JobInput} given - Picture and mask of a completion.
   * @param {AnswerOptions} how
   * @param {{weighed?: boolean}} [options] - `weighed`: compute the probability of each
   *     new image.
   * @returns {Promise<JobResult | null>} What is known of the images; null if not all
   *     of them were drawn.
   */
  async redraw(job, { image, mask }, how, { weighed = false } = {}) {
    const drawer = this.canDraw(job) ? await this.#found(job.model, job) : null;
    if (!drawer || how.signal.aborted) return null;
    const { kind, model, ...settings } = settingsIn(job);
    const wish = /** @type {any} */ ({ ...settings, ...rowListener(how, drawer) });
    if (kind === "complete") {
      if (!image || !mask) return null;
      const [picture, hole] = await Promise.all([image, mask].map((url) => pixelsOf(url, job)));
      Object.assign(wish, { known: valuesOf(picture, drawer), keep: holeOf(hole).map((isUnknown) => 1 - isUnknown) });
    }
    const result =
      kind === "complete"
        ? drawer.complete(wish).then(({ receipt }) => resultOf({ posterior: posteriorOf(receipt) }))
        : drawer.sample({ ...wish, weighed }).then((images) => resultOf(weighed ? probabilitiesOf(images) : {}));
    // If the engine fails, the service draws the job.
    return result.catch(() => null);
  }

  /**
   * @param {Model} model
   * @param {DrawOptions} wish
   * @param {AnswerOptions} how
   * @returns {Promise<DrawResult>}
   */
  async sample(model, wish, how) {
    const drawer = await this.#drawer(model);
    // The caller may have given up while the model was fetched.
    how.signal.throwIfAborted();
    const job = jobOf("sample", model, wish);
    await how.onJob?.(job, {});
    const images = await drawer.sample({ ...wish, label: labelOf(model, wish), ...rowListener(how, drawer) });
    // The images may have been on their way when the caller gave up.
    how.signal.throwIfAborted();
    return {
      job: { ...job, result: resultOf(probabilitiesOf(images)) },
      images: images.map(({ values }) => pictureOfValues(values, drawer)),
      mean: null,
      isHere: true,
    };
  }

  /**
   * @param {Model} model
   * @param {DrawOptions & {picture: ImageData, hole: Uint8Array}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<DrawResult>}
   */
  async complete(model, { picture, hole, ...wish }, how) {
    const drawer = await this.#drawer(model);
    how.signal.throwIfAborted();
    const job = jobOf("complete", model, wish);
    await how.onJob?.(job, { image: dataUrlOf(picture), mask: dataUrlOf(maskPicture(hole, picture)) });
    const given = { known: valuesOf(picture, model), keep: hole.map((isUnknown) => 1 - isUnknown) };
    const done = await drawer.complete({ ...wish, label: labelOf(model, wish), ...given, ...rowListener(how, drawer) });
    how.signal.throwIfAborted();
    return {
      job: { ...job, result: resultOf({ posterior: posteriorOf(done.receipt) }) },
      images: done.images.map(({ values }) => pictureOfValues(values, drawer)),
      mean: done.mean && pictureOfValues(done.mean, drawer),
      isHere: true,
    };
  }

  /**
   * @param {Model} model
   * @param {{picture: ImageData, label?: string}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<ScoreAnswer>}
   */
  async score(model, { picture, label }, { signal }) {
    const drawer = await this.#drawer(model);
    const nats = await drawer.score(valuesOf(picture, model), { label: labelOf(model, { label }) });
    signal.throwIfAborted();
    return { job: null, score: scoreFrom(nats, model), map: null };
  }

  /**
   * @param {Model} model
   * @param {{picture: ImageData}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<ScoreAnswer>}
   */
  async scoreMap(model, { picture }, { signal }) {
    const { width, height } = model;
    const drawer = await this.#drawer(model);
    const values = valuesOf(picture, model);
    const options = { label: labelOf(model, {}) };
    const all = Array.from(await drawer.surprise(values, options), (cost) => [cost]);
    const nats = await drawer.score(values, options);
    signal.throwIfAborted();
    const bits = Array.from({ length: height }, (_, y) => all.slice(y * width, (y + 1) * width));
    return { job: null, score: scoreFrom(nats, model), map: { width, height, channels: 1, bits } };
  }

  /**
   * @param {Model} model
   * @param {{picture: ImageData}} wish
   * @param {AnswerOptions} how
   * @returns {Promise<Classification>}
   */
  async classify(model, { picture }, { signal }) {
    const drawer = await this.#drawer(model);
    const { p, nats } = await drawer.classify(valuesOf(picture, model));
    signal.throwIfAborted();
    const labels = model.labels.map(({ name }, label) => ({ name, label, p: p[label] }));
    return { labels: labels.sort((a, b) => b.p - a.p), nats, quality: "exact" };
  }

  /**
   * Draw a picture of samples again and compare every pixel. Return the result as a
   * sentence, "" if that is not possible here.
   *
   * @param {string} name
   * @param {Blob} file - PNG file as the service wrote it.
   */
  async verificationOf(name, file) {
    const model = this.#models.value?.find((one) => one.name === name);
    const drawer = model && this.can("sample", model) ? await this.#found(name, model) : null;
    const found = await drawer?.verify(new Uint8Array(await file.arrayBuffer())).catch(() => null);
    if (!found) return "";
    if (found.verified) return t("Drawn again in this browser: every pixel is the same.");
    return t("Drawn again in this browser: {count} pixels are not the same.", { count: found.changed.length });
  }

  /**
   * Return the engine's model. Raise FieldTrouble if it cannot be fetched.
   *
   * @param {Model} model
   */
  async #drawer(model) {
    const drawer = await this.#found(model.name, model);
    if (!drawer) throw new FieldTrouble("", t("It cannot be drawn in this browser."));
    return drawer;
  }

  /**
   * Return the engine's model with these digests; null if it cannot be fetched.
   *
   * @param {string} name
   * @param {Weights} wanted
   * @returns {Promise<Portable | null>}
   */
  async #found(name, { digest, identity }) {
    const key = (identity || digest) ?? "";
    const known = fetched.get(key) ?? fetchDrawer(this.#api.portable(name), key);
    fetched.set(key, known);
    const drawer = await known.catch(() => null);
    if (drawer && !drawer.isClosed) return drawer;
    // The next attempt may succeed. Another caller may have begun it.
    if (fetched.get(key) === known) fetched.delete(key);
    // A model that was there lost its worker, so it is loaded again at once.
    return drawer && this.#found(name, { digest, identity });
  }
}

/**
 * Loads a model into a worker. engine, model: addresses of both folders, relative to the
 * page.
 *
 * @typedef {(addresses: {engine: string, model: string}) => Promise<Portable>} Load
 */

/** @type {Load} */
let load = async ({ engine, model }) => {
  const { loadInWorker } = await import(new URL(`${engine}in_worker.js`, document.baseURI).href);
  return loadInWorker(new URL(model, document.baseURI));
};

/**
 * Replace the function that loads a model into a worker, for the whole page.
 *
 * The page that is one file does so, since it cannot fetch.
 *
 * @param {Load} other - Takes the addresses of the engine's and the model's folders,
 *     and returns a promise of the model.
 */
export function setLoader(other) {
  load = other;
}

/**
 * Identity or digest -> the model, for the whole page.
 *
 * @type {Map<string, Promise<Portable | null>>}
 */
const fetched = new Map();

/**
 * Load a model; return null if the server now has other weights under its name.
 *
 * @param {Promise<{digest: string, identity: string | null, engine: string, model: string}>} found
 * @param {string} wanted
 */
async function fetchDrawer(found, wanted) {
  const { digest, identity, ...addresses } = await found;
  return (identity || digest) === wanted ? load(addresses) : null;
}

/** Digests that identify a model; earlier servers state no identity. @typedef {{digest: string | null, identity?: string | null}} Weights */

/**
 * Return the engine's options that report rows in the form of the service's events.
 *
 * @param {AnswerOptions} how
 * @param {Portable} drawer
 */
function rowListener({ signal, onRow }, drawer) {
  const tell = (/** @type {number} */ sample, /** @type {number} */ y, /** @type {Uint8Array} */ values) => {
    const pixels = bytesOf(values, drawer);
    const row = /** @type {RowEvent} */ ({ type: "row", sample, y, stage: "final", pixels });
    if (!signal.aborted) onRow?.(row);
  };
  return { onRow: tell, signal };
}

/**
 * Return a record with the fields of a job that boards show, for images that no service
 * has drawn.
 *
 * @param {"sample" | "complete"} kind
 * @param {Model} model
 * @param {DrawOptions} wish
 * @returns {Job}
 */
function jobOf(kind, model, wish) {
  const { width, height, channels, palette, digest, identity } = model;
  const size = { width, height, channels, palette, small_width: 0, small_height: 0 };
  const method = kind === "complete" ? "posterior" : null;
  const usual = { model: model.name, digest, identity, method, temperature: 1 };
  const options = { id: "", kind, ...usual, ...wish, label: labelOf(model, wish) ?? null };
  return /** @type {any} */ ({ ...size, ...options, status: "succeeded", progress: 1 });
}

/**
 * Return facts of drawn images as the result of a job.
 *
 * @param {Record<string, any>} facts
 */
const resultOf = (facts) => /** @type {JobResult} */ ({ type: "images", ...facts });

/**
 * Return a receipt as the service states it: null for the method "clamp", of which nothing
 * was estimated.
 *
 * @param {import("../../../../engine/types").Receipt} receipt
 */
const posteriorOf = (receipt) => (receipt.quality ? receipt : null);

/**
 * Return the probability of each image under the names of the service.
 *
 * @param {import("../../../../engine/types").Draw[]} images
 */
const probabilitiesOf = (images) => ({
  nats: images.map(({ nats }) => nats),
  bits_per_dim: images.map(({ bitsPerDim }) => bitsPerDim),
});

/**
 * Return the label to draw: the one of the request, else the one chosen for this model
 * (`withOneLabel`).
 *
 * @param {Model} model
 * @param {{label?: string | null}} wish
 * @returns {string | undefined}
 */
function labelOf(model, wish) {
  return wish.label ?? model.label ?? undefined;
}

/**
 * Return a score as the service states it.
 *
 * @param {number} nats
 * @param {Model} model
 * @returns {any}
 */
function scoreFrom(nats, { width, height, channels, values }) {
  const perDim = nats / Math.LN2 / (width * height * channels);
  const uniform = channels * Math.log2(values);
  return { type: "score", nats, bits_per_dim: perDim, uniform_bits: uniform, per_colour_bits: [], quantised_pixels: 0 };
}

/**
 * Return a row as the service sends it: base64 of the colours of each pixel, or of its
 * index in a palette.
 *
 * @param {Uint8Array} values - Values (channels, width).
 * @param {Portable} drawer
 */
function bytesOf(values, { width, channels, values: levels, palette }) {
  if (palette?.length) return btoa(String.fromCharCode(...values));
  const bytes = Array.from(values, (_, i) => byteOf(values[(i % channels) * width + Math.floor(i / channels)], levels));
  return btoa(String.fromCharCode(...bytes));
}

/**
 * Return a picture as the engine's values (channels, height, width).
 *
 * Each value is the one nearest to the byte. With a palette it is the index of the
 * nearest colour, as for the service with `colours=nearest`.
 *
 * @param {ImageData} picture
 * @param {Shape} shape
 * @returns {Uint8Array}
 */
function valuesOf({ data }, { width, height, channels, values, palette }) {
  const size = width * height;
  if (palette?.length) {
    const colours = palette.map(rgbaOf);
    return Uint8Array.from({ length: size }, (_, i) => nearestColour(colours, data.subarray(4 * i, 4 * i + 4)));
  }
  const byteAt = (/** @type {number} */ i) => data[4 * (i % size) + Math.floor(i / size)];
  return Uint8Array.from({ length: channels * size }, (_, i) => Math.round((byteAt(i) * (values - 1)) / 255));
}

/**
 * Return values as a picture.
 *
 * @param {ArrayLike<number>} found - Values (channels, height, width), or means of
 *     values; of a palette, indices of colours.
 * @param {Shape} shape
 */
function pictureOfValues(found, { width, height, channels, values, palette }) {
  const size = width * height;
  const picture = new ImageData(width, height);
  if (palette?.length) {
    for (let i = 0; i < size; i += 1) picture.data.set(rgbaOf(palette[found[i]]), 4 * i);
    return picture;
  }
  for (let i = 0; i < size; i += 1) {
    const colours = [0, 1, 2].map((c) => byteOf(found[(channels === 1 ? 0 : c) * size + i], values));
    picture.data.set([...colours, 255], 4 * i);
  }
  return picture;
}

/**
 * Return the byte of a value, as in the files that the service writes.
 *
 * @param {number} value
 * @param {number} levels
 */
function byteOf(value, levels) {
  return Math.floor((value * 255 + ((levels - 1) >> 1)) / (levels - 1));
}
