/** What a view asks, answered in this browser, by the service's own engine and weights: the same bytes. Knows no element. */

import { t } from "../lang.js";
import { FieldTrouble } from "./problems.js";
import { settingsIn } from "./settings.js";
import { dataUrlOf, holeOf, maskPicture, nearestColour, pixelsOf, rgbaOf } from "../pixels/raster.js";

/** @import {Classification, DrawResult, JobInput, AnswerOptions, JobResult, Job, Model, RowEvent, ScoreAnswer, Shared, DrawOptions} from "../types" */

/** @typedef {import("../../../../engine/types").Portable} Portable */
/** @typedef {{width: number, height: number, channels: number, values: number, palette?: string[] | null}} Shape */

const ARITHMETIC = "cpu-compiled";
/** Where a file of coded pictures names the weights: engine/container.js. */
const CODED_DIGEST = /** @type {const} */ ([11, 43]);
/** What the engine does for every model that it has. */
const CALLS = ["sample", "rows", "complete", "score", "scoreMap"];

export class BrowserBackend {
  /** @param {Pick<Shared, "api" | "info" | "models">} shared */
  constructor({ api, info, models }) {
    this.#api = api;
    this.#info = info;
    this.#models = models;
  }

  #api;
  #info;
  #models;

  /** Whether this is answered here: by models of one scale, which the service draws with on processors. @param {string} call @param {Model} model */
  can(call, { small_height: hasSmall, loaded_on: holders = [], labels, isPortable = true }) {
    const isOnProcessors = holders.every(({ device }) => device === "cpu");
    if (hasSmall || !isPortable || !isOnProcessors || !this.#info.value?.portable) return false;
    return CALLS.includes(call) || (call === "classify" && labels.length > 0);
  }

  /** Whether a job can be drawn here. @param {Job} job */
  canDraw({ kind, model: name, numerics, cutouts, width, height }) {
    const model = this.#models.value?.find((one) => one.name === name);
    if (!model || width !== model.width || height !== model.height) return false; // the engine draws no larger pictures
    const isOurs = [null, undefined, ARITHMETIC].includes(numerics) && !cutouts;
    return Boolean(isOurs && this.can(kind === "sample" ? "rows" : kind, model));
  }

  /** Fetch what draws pictures of these weights; resolves to whether it is here. @param {string} name @param {Weights} weights */
  async fetch(name, weights) {
    return Boolean(await this.#found(name, weights));
  }

  /**
   * Draw the images of a job once more, row by row.
   *
   * @param {Job} job
   * @param {JobInput} given what a completion began with
   * @param {AnswerOptions} how
   * @param {{weighed?: boolean}} [options] weighed: whether to say how probable each new image is
   * @returns {Promise<JobResult | null>} what is known of them; null if not all of them were drawn
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
    const drawn =
      kind === "complete"
        ? drawer.complete(wish).then(({ receipt }) => resultOf({ posterior: receipt }))
        : drawer.sample({ ...wish, weighed }).then((images) => resultOf(weighed ? probabilitiesOf(images) : {}));
    return drawn.catch(() => null); // the service draws it
  }

  /** @param {Model} model @param {DrawOptions} wish @param {AnswerOptions} how @returns {Promise<DrawResult>} */
  async sample(model, wish, how) {
    const drawer = await this.#drawer(model);
    const job = jobOf("sample", model, wish);
    await how.onJob?.(job, {});
    const images = await drawer.sample({ ...wish, label: labelOf(model, wish), ...rowListener(how, drawer) });
    return {
      job: { ...job, result: resultOf(probabilitiesOf(images)) },
      images: images.map(({ values }) => pictureOfValues(values, drawer)),
      mean: null,
      isHere: true,
    };
  }

  /** @param {Model} model @param {DrawOptions & {picture: ImageData, hole: Uint8Array}} wish @param {AnswerOptions} how @returns {Promise<DrawResult>} */
  async complete(model, { picture, hole, ...wish }, how) {
    const drawer = await this.#drawer(model);
    const job = jobOf("complete", model, wish);
    await how.onJob?.(job, { image: dataUrlOf(picture), mask: dataUrlOf(maskPicture(hole, picture)) });
    const given = { known: valuesOf(picture, model), keep: hole.map((isUnknown) => 1 - isUnknown) };
    const done = await drawer.complete({ ...wish, label: labelOf(model, wish), ...given, ...rowListener(how, drawer) });
    return {
      job: { ...job, result: resultOf({ posterior: done.receipt }) },
      images: done.images.map(({ values }) => pictureOfValues(values, drawer)),
      mean: done.mean && pictureOfValues(done.mean, drawer),
      isHere: true,
    };
  }

  /** @param {Model} model @param {{picture: ImageData, label?: string}} wish @param {AnswerOptions} how @returns {Promise<ScoreAnswer>} */
  async score(model, { picture, label }, { signal }) {
    const drawer = await this.#drawer(model);
    const nats = await drawer.score(valuesOf(picture, model), { label: labelOf(model, { label }) });
    signal.throwIfAborted();
    return { job: null, score: scoreFrom(nats, model), map: null };
  }

  /** @param {Model} model @param {{picture: ImageData}} wish @param {AnswerOptions} how @returns {Promise<ScoreAnswer>} */
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

  /** @param {Model} model @param {{picture: ImageData}} wish @param {AnswerOptions} how @returns {Promise<Classification>} */
  async classify(model, { picture }, { signal }) {
    const drawer = await this.#drawer(model);
    const { p, nats } = await drawer.classify(valuesOf(picture, model));
    signal.throwIfAborted();
    const labels = model.labels.map(({ name }, label) => ({ name, label, p: p[label] }));
    return { labels: labels.sort((a, b) => b.p - a.p), nats, quality: "exact" };
  }

  /** A picture of samples is drawn again, as its file says, and every pixel compared; "" where that cannot be done here. @param {string} name @param {Blob} file */
  async verificationOf(name, file) {
    const model = this.#models.value?.find((one) => one.name === name);
    const drawer = model && this.can("sample", model) ? await this.#found(name, model) : null;
    const found = await drawer?.verify(new Uint8Array(await file.arrayBuffer())).catch(() => null);
    if (!found) return "";
    if (found.verified) return t("Drawn again in this browser: every pixel is the same.");
    return t("Drawn again in this browser: {count} pixels are not the same.", { count: found.changed.length });
  }

  /** The pictures of a coded file, without loss, by the model whose weights it names. @param {File} file */
  async decodeFile(file) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    const digest = Array.from(bytes.subarray(...CODED_DIGEST), (byte) => byte.toString(16).padStart(2, "0")).join("");
    const model = this.#models.value?.find((one) => one.digest === digest);
    if (!model) throw new FieldTrouble("", t("No model here has the weights that this file names."));
    const drawer = await this.#drawer(model);
    const images = (await drawer.decode(bytes)).map(({ values }) => pictureOfValues(values, drawer));
    return { images, model: model.name };
  }

  /** @param {Model} model */
  async #drawer(model) {
    const drawer = await this.#found(model.name, model);
    if (!drawer) throw new FieldTrouble("", t("It cannot be drawn in this browser."));
    return drawer;
  }

  /**
   * What draws, once it has been fetched; null where that cannot be.
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
    if (!drawer) fetched.delete(key); // it may be there later
    return drawer;
  }
}

/**
 * Load a model into a worker. engine, model: where both are, relative to the page.
 *
 * @typedef {(addresses: {engine: string, model: string}) => Promise<Portable>} Load
 */

/** @type {Load} */
let load = async ({ engine, model }) => {
  const { loadInWorker } = await import(new URL(`${engine}in_worker.js`, document.baseURI).href);
  return loadInWorker(new URL(model, document.baseURI));
};

/** Have models loaded in another way. @param {Load} other */
export function setLoader(other) {
  load = other;
}

/** By the identity of their models, for the whole page. @type {Map<string, Promise<Portable | null>>} */
const fetched = new Map();

/** @param {Promise<{digest: string, identity: string | null, engine: string, model: string}>} found @param {string} wanted */
async function fetchDrawer(found, wanted) {
  const { digest, identity, ...addresses } = await found;
  return (identity || digest) === wanted ? load(addresses) : null;
}

/** By what weights are told apart. @typedef {{digest: string | null, identity?: string | null}} Weights */

/** Rows as the service tells them. @param {AnswerOptions} how @param {Portable} drawer */
function rowListener({ signal, onRow }, drawer) {
  const tell = (/** @type {number} */ sample, /** @type {number} */ y, /** @type {Uint8Array} */ values) => {
    const pixels = bytesOf(values, drawer);
    const row = /** @type {RowEvent} */ ({ type: "row", sample, y, stage: "final", pixels });
    if (!signal.aborted) onRow?.(row);
  };
  return { onRow: tell, signal };
}

/** What a board wants to know of a job that no service has. @param {"sample" | "complete"} kind @param {Model} model @param {DrawOptions} wish @returns {Job} */
function jobOf(kind, model, wish) {
  const { width, height, channels, palette, digest, identity } = model;
  const size = { width, height, channels, palette, small_width: 0, small_height: 0 };
  const method = kind === "complete" ? "posterior" : null;
  const usual = { model: model.name, digest, identity, method, temperature: 1 };
  const drawn = { id: "", kind, ...usual, ...wish, label: labelOf(model, wish) ?? null };
  return /** @type {any} */ ({ ...size, ...drawn, status: "succeeded", progress: 1 });
}

/** What is known of images that were drawn, as the service tells it. @param {Record<string, any>} facts */
const resultOf = (facts) => /** @type {JobResult} */ ({ type: "images", ...facts });

/** How probable each image was, under the service's names. @param {import("../../../../engine/types").Draw[]} images */
const probabilitiesOf = (images) => ({
  nats: images.map(({ nats }) => nats),
  bits_per_dim: images.map(({ bitsPerDim }) => bitsPerDim),
});

/**
 * The label that is asked for, else the one that was chosen for this model (`ofOneLabel`).
 *
 * @param {Model} model
 * @param {{label?: string | null}} wish
 * @returns {string | undefined}
 */
function labelOf(model, wish) {
  return wish.label ?? model.label ?? undefined;
}

/** @param {number} nats @param {Model} model @returns {any} as the service tells it */
function scoreFrom(nats, { width, height, channels, values }) {
  const perDim = nats / Math.LN2 / (width * height * channels);
  const uniform = channels * Math.log2(values);
  return { type: "score", nats, bits_per_dim: perDim, uniform_bits: uniform, per_colour_bits: [], quantised_pixels: 0 };
}

/** A row as the service sends it: bytes, the colours of a pixel side by side. @param {Uint8Array} values colour after colour @param {Portable} drawer */
function bytesOf(values, { width, channels, values: levels, palette }) {
  if (palette?.length) return btoa(String.fromCharCode(...values));
  const bytes = Array.from(values, (_, i) => byteOf(values[(i % channels) * width + Math.floor(i / channels)], levels));
  return btoa(String.fromCharCode(...bytes));
}

/**
 * A picture as the engine has it: colour after colour, each row by row. Each value is the nearest to the byte; of a
 * palette it is the index of the nearest colour, as for the service (`colours=nearest`).
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

/** @param {ArrayLike<number>} found values, or means of them: of a palette the likeliest @param {Shape} shape */
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

/** As in the files that the service writes. @param {number} value @param {number} levels */
function byteOf(value, levels) {
  return Math.floor((value * 255 + ((levels - 1) >> 1)) / (levels - 1));
}
