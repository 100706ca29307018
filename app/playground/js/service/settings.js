/**
 * Settings that draw images: the form in which jobs, links, the history and the text of
 * pictures share them.
 */

import { PIXEL_OPTIONS, VERSION } from "./pixel_options.js";

/** @import {Job, Settings} from "../types" */

/** Settings of every kind of job. */
const OF_ALL = /** @type {Record<string, string>} */ ({ n: "integer", seed: "integer", temperature: "number" });

/**
 * Return the names and types of a kind's settings, without the model.
 *
 * @param {string} kind
 */
const typesOf = (kind) => ({ ...OF_ALL, ...(PIXEL_OPTIONS[kind] ?? PIXEL_OPTIONS.sample) });

/**
 * Return the settings of a job: `kind`, `model` and the options that change pixels;
 * nothing else of the job is copied.
 *
 * @param {Partial<Job>} job - A job, or some of its fields.
 * @returns {Settings} Options without a value, false ones and `first` 0 are left out.
 */
export function settingsIn(job) {
  const names = ["model", ...Object.keys(typesOf(String(job.kind)))];
  const entries = names.map((name) => [name, /** @type {any} */ (job)[name]]);
  const isSet = (/** @type {any} */ value) => value !== null && value !== undefined && value !== false;
  const settings = entries.filter(([name, value]) => isSet(value) && !(name === "first" && value === 0));
  return Object.fromEntries([["kind", job.kind ?? ""], ...settings]);
}

/**
 * Return the settings that the query of a link names.
 *
 * @param {string} kind - Kind of job.
 * @param {URLSearchParams} query - Query of the link. Links of earlier versions lack
 *     some options.
 * @returns {Settings | null} The settings; null if the model, the seed, the temperature
 *     or the number of images is missing or invalid.
 */
export function settingsFrom(kind, query) {
  const found = Object.entries(typesOf(kind)).map(([name, type]) => [name, valueOf(query.getAll(name), type)]);
  const options = found.filter(([, value]) => value !== undefined);
  const settings = /** @type {Settings} */ ({ kind, model: query.get("model"), ...Object.fromEntries(options) });
  return isWhole(settings) && Number.isInteger(settings.n) ? settings : null;
}

/**
 * Return the settings that the text of a PNG names, for the images that the file shows.
 *
 * @param {Record<string, string>} text - Text chunks by keyword, as `textOf` returns
 *     them.
 * @returns {Settings | null} The settings; null if the picture was not drawn by this
 *     product, or by a later version with unknown options.
 */
export function settingsOf(text) {
  if (Number(text.version ?? 1) > VERSION) return null;
  const kind = text.kind ?? "";
  /** @type {Record<string, string>} */
  const texts = { ...text, n: text.samples ?? "1", first: text.sample ?? "0" };
  const found = Object.entries(typesOf(kind)).map(([name, type]) => {
    const ofEach = type === "texts" ? listIn(text[`${name}s`]) : [];
    return [name, valueOf(ofEach.length ? ofEach : [texts[name]], type)];
  });
  const settings = { kind, model: text.model, ...Object.fromEntries(found) };
  return isWhole(settings) ? settingsIn(settings) : null;
}

/**
 * Return true if settings name a model, a seed and a temperature.
 *
 * @param {Partial<Settings>} settings
 */
function isWhole({ model, seed, temperature }) {
  return Boolean(model) && Number.isSafeInteger(seed) && Number(temperature) > 0;
}

/**
 * Return a list of texts in JSON; an empty list if there is none.
 *
 * @param {string | undefined} text
 */
function listIn(text) {
  try {
    const list = JSON.parse(text ?? "[]");
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [];
  }
}

/**
 * Return the value of an option; undefined if it is missing or invalid.
 *
 * @param {(string | undefined)[]} texts
 * @param {string} type
 * @returns {any}
 */
function valueOf(texts, type) {
  const [text] = texts;
  if (text === undefined) return undefined;
  if (type === "flag") return text === "true";
  if (type === "texts") return texts.length > 1 ? texts : text;
  if (type === "text") return text;
  const number = text === "" ? NaN : Number(text);
  return type === "number" || Number.isSafeInteger(number) ? number : undefined;
}
