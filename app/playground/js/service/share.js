/** Links that are recipes: they draw the same images wherever the same weights are served, and know which bytes come out. */

import { settingsFrom, settingsIn } from "./settings.js";

/** @import {Painting} from "../pixels/painting.js" */
/** @import {JobInput, Job, Recipe} from "../types" */

const PNG = "data:image/png;base64,";
const MOST_LENGTH = 2048;
const FACED = "sample?";
const VIEWS = /** @type {Record<string, string>} */ ({ sample: "sample", complete: "complete", upsample: "upsample" });

/**
 * The part of an address behind #. Given pictures stand in it while they are small; else it leads to the job itself,
 * which its server keeps for a while.
 *
 * @param {Job} job
 * @param {Painting[]} paintings all of its images
 * @param {JobInput} given
 */
export async function linkTo(job, paintings, given) {
  const { id, digest, identity } = job;
  const { kind, ...settings } = settingsIn(job);
  const values = { ...settings, digest, identity, sha256: await fingerprint(paintings) };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of [value ?? []].flat()) query.append(name, String(each));
  }
  for (const [name, url] of Object.entries(given)) query.set(name, url.slice(PNG.length));
  const isWhole = kind === "sample" || given.image;
  return isWhole && String(query).length < MOST_LENGTH ? `${VIEWS[kind]}?${query}` : `${VIEWS[kind]}/${id}`;
}

/** A recipe that needs no given pixels has a page of its own, which shows its picture where the link is pasted. @param {string} link */
export function previewAddress(link) {
  return link.startsWith(FACED) ? `/s?${link.slice(FACED.length)}` : `#${link}`;
}

/** @param {string} view @param {string} text @returns {Recipe | null} null for what is none */
export function recipeFrom(view, text) {
  const query = new URLSearchParams(text);
  const settings = settingsFrom(view, query);
  if (!settings) return null;
  const given = Object.fromEntries(
    ["image", "mask"].flatMap((name) => (query.has(name) ? [[name, PNG + query.get(name)]] : [])),
  );
  const [digest, identity, sha256] = ["digest", "identity", "sha256"].map((name) => query.get(name) ?? "");
  return { settings, given, digest, identity, sha256 };
}

/**
 * SHA-256 of all pixels; "" where the browser has none, which is on pages without https.
 *
 * @param {Painting[]} paintings
 */
export async function fingerprint(paintings) {
  if (!globalThis.crypto.subtle) return "";
  const pixels = await new Blob(paintings.map(({ large }) => large.pixels.data)).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", pixels));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
