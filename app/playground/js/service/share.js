/** Links that are recipes: they draw the same images wherever the same weights are served, and know which bytes come out. */

/** @import {Painting} from "../pixels/painting.js" */
/** @import {Given, Job, Kind, Recipe} from "../types" */

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
 * @param {Given} given
 */
export async function linkTo(job, paintings, given) {
  const { id, kind, model, digest, identity, seed, temperature, n, label, method, particles, sweeps } = job;
  const sha256 = await fingerprint(paintings);
  const query = new URLSearchParams();
  const values = { model, digest, identity, seed, temperature, n, method, particles, sweeps, sha256 };
  for (const [name, value] of Object.entries(values)) if (value != null) query.set(name, String(value));
  for (const name of [label ?? []].flat()) query.append("label", name);
  for (const [name, url] of Object.entries(given)) query.set(name, url.slice(PNG.length));
  const isWhole = kind === "sample" || given.image;
  return isWhole && String(query).length < MOST_LENGTH ? `${VIEWS[kind]}?${query}` : `${VIEWS[kind]}/${id}`;
}

/** A recipe that needs no given pixels has a page of its own, which shows its picture where the link is pasted. @param {string} link */
export function withFace(link) {
  return link.startsWith(FACED) ? `/s?${link.slice(FACED.length)}` : `#${link}`;
}

/** @param {string} view @param {string} text @returns {Recipe | null} null for what is none */
export function recipeFrom(view, text) {
  const query = new URLSearchParams(text);
  const [seed, n, temperature] = ["seed", "n", "temperature"].map((name) => Number(query.get(name)));
  const model = query.get("model");
  if (!model || !Number.isSafeInteger(seed) || !Number.isInteger(n) || !(temperature > 0)) return null;
  const given = Object.fromEntries(
    ["image", "mask"].flatMap((name) => (query.has(name) ? [[name, PNG + query.get(name)]] : [])),
  );
  const how = { method: query.get("method"), particles: count(query, "particles"), sweeps: count(query, "sweeps") };
  const labels = query.getAll("label");
  const label = labels.length > 1 ? labels : (labels[0] ?? null);
  const settings = { kind: /** @type {Kind} */ (view), model, seed, n, temperature, label, ...how };
  const [digest, identity, sha256] = ["digest", "identity", "sha256"].map((name) => query.get(name) ?? "");
  return { settings, given, digest, identity, sha256 };
}

/** @param {URLSearchParams} query @param {string} name @returns {number | null} null where the link does not say */
function count(query, name) {
  const text = query.get(name);
  return text && Number.isSafeInteger(Number(text)) ? Number(text) : null;
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
