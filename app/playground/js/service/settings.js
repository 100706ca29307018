/** How images are drawn: the settings that a job, a link, the history and a picture's text have in common. */

import { PIXEL_OPTIONS, VERSION } from "./pixel_options.js";

/** @import {Job, Settings} from "../types" */

/** Said of each drawing, whatever its kind. */
const OF_ALL = /** @type {Record<string, string>} */ ({ n: "integer", seed: "integer", temperature: "number" });

/** The names and types of the settings of a kind, beside the model. @param {string} kind */
const typesOf = (kind) => ({ ...OF_ALL, ...(PIXEL_OPTIONS[kind] ?? PIXEL_OPTIONS.sample) });

/**
 * The settings that drew a job, without those that it leaves as they usually are. Nothing else of a job is a setting:
 * neither keys nor addresses.
 *
 * @param {Partial<Job>} job
 * @returns {Settings}
 */
export function settingsIn(job) {
  const names = ["model", ...Object.keys(typesOf(String(job.kind)))];
  const said = names.map((name) => [name, /** @type {any} */ (job)[name]]);
  const isSaid = (/** @type {any} */ value) => value !== null && value !== undefined && value !== false;
  const settings = said.filter(([name, value]) => isSaid(value) && !(name === "first" && value === 0));
  return Object.fromEntries([["kind", job.kind ?? ""], ...settings]);
}

/**
 * The settings that the query of a link says; null if it is no recipe. Links of earlier versions lack some.
 *
 * @param {string} kind
 * @param {URLSearchParams} query
 * @returns {Settings | null}
 */
export function settingsFrom(kind, query) {
  const found = Object.entries(typesOf(kind)).map(([name, type]) => [name, valueOf(query.getAll(name), type)]);
  const said = found.filter(([, value]) => value !== undefined);
  const settings = /** @type {Settings} */ ({ kind, model: query.get("model"), ...Object.fromEntries(said) });
  return isWhole(settings) && Number.isInteger(settings.n) ? settings : null;
}

/**
 * The settings that the text of a PNG says: those of the images that the file shows. Null if it is no picture of ours,
 * or one of a later version with options that are not known here.
 *
 * @param {Record<string, string>} text
 * @returns {Settings | null}
 */
export function settingsOf(text) {
  if (Number(text.version ?? 1) > VERSION) return null;
  const kind = text.kind ?? "";
  /** @type {Record<string, string>} */
  const said = { ...text, n: text.samples ?? "1", first: text.sample ?? "0" };
  const found = Object.entries(typesOf(kind)).map(([name, type]) => {
    const ofEach = type === "texts" ? listIn(text[`${name}s`]) : [];
    return [name, valueOf(ofEach.length ? ofEach : [said[name]], type)];
  });
  const settings = { kind, model: text.model, ...Object.fromEntries(found) };
  return isWhole(settings) ? settingsIn(settings) : null;
}

/** @param {Partial<Settings>} settings */
function isWhole({ model, seed, temperature }) {
  return Boolean(model) && Number.isSafeInteger(seed) && Number(temperature) > 0;
}

/** A list of texts, written as JSON; empty if there is none. @param {string | undefined} text @returns {string[]} */
function listIn(text) {
  try {
    const list = JSON.parse(text ?? "[]");
    return Array.isArray(list) ? list.map(String) : [];
  } catch {
    return [];
  }
}

/** @param {(string | undefined)[]} texts @param {string} type @returns {any} undefined if nothing, or nonsense, is said */
function valueOf(texts, type) {
  const [text] = texts;
  if (text === undefined) return undefined;
  if (type === "flag") return text === "true";
  if (type === "texts") return texts.length > 1 ? texts : text;
  if (type === "text") return text;
  const number = text === "" ? NaN : Number(text);
  return type === "number" || Number.isSafeInteger(number) ? number : undefined;
}
