/**
 * Links that are recipes: they draw the same images wherever the same weights are
 * served, and state the expected bytes.
 */

import { settingsFrom, settingsIn } from "./settings.js";

/** @import {Painting} from "../pixels/painting.js" */
/** @import {JobInput, Job, Recipe} from "../types" */

/** Beginning of the data URL of a PNG, which links leave out. */
const PNG = "data:image/png;base64,";
/** Characters of a link's query, at most: longer links break in mails and chats. */
const MOST_LENGTH = 2048;
/** Beginning of links that have a page with a preview. */
const FACED = "sample?";
/** Kind of job -> view that draws it. */
const VIEWS = /** @type {Record<string, string>} */ ({ sample: "sample", complete: "complete" });

/**
 * Return the link that draws a job's images again: the part of an address behind #,
 * such as "sample?model=...".
 *
 * It states the settings and, if all images are complete, the SHA-256 of the pixels.
 * Small given pictures are part of it. If it would be too long, it leads to the job itself ("complete/ID"), which the
 * server keeps for a while.
 *
 * @param {Job} job
 * @param {Painting[]} paintings - All images of the job. Those of a canceled job are
 *     incomplete.
 * @param {JobInput} given - URLs of the pictures that the job was given.
 * @returns {Promise<string>}
 */
export async function linkTo(job, paintings, given) {
  const { id, digest, identity } = job;
  const { kind, ...settings } = settingsIn(job);
  const areWhole = paintings.every((painting) => painting.whole("final"));
  const sha256 = areWhole ? await fingerprint(paintings) : "";
  const values = { ...settings, digest, identity, sha256 };
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const each of [value ?? []].flat()) query.append(name, String(each));
  }
  for (const [name, url] of Object.entries(given)) query.set(name, url.slice(PNG.length));
  // Those of a larger picture are addresses within this page and mean nothing elsewhere.
  const isWhole = kind === "sample" || given.image?.startsWith(PNG);
  return isWhole && String(query).length < MOST_LENGTH ? `${VIEWS[kind]}?${query}` : `${VIEWS[kind]}/${id}`;
}

/**
 * Return the address to share for a link: relative to the page, with a preview where it
 * is pasted.
 *
 * @param {string} link - Part of an address behind #. Only links to samples have a
 *     preview page, /s; others give "#" and the link.
 */
export function previewAddress(link) {
  return link.startsWith(FACED) ? `s?${link.slice(FACED.length)}` : `#${link}`;
}

/**
 * Return the recipe that a link names.
 *
 * @param {string} view - Name of the view.
 * @param {string} text - Query of the link.
 * @returns {Recipe | null} Settings, given pictures as data URLs, and digests, "" if
 *     unknown; null if the query is no recipe.
 */
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
 * Return the SHA-256 of the pixels of images, in order.
 *
 * @param {Painting[]} paintings - Finished images.
 * @returns {Promise<string>} 64 hexadecimal digits; "" if the browser has no SHA-256,
 *     as on pages without https.
 */
export async function fingerprint(paintings) {
  if (!globalThis.crypto.subtle) return "";
  const pixels = await new Blob(paintings.map(({ large }) => large.pixels.data)).arrayBuffer();
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", pixels));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
