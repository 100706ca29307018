/** The page of an exported folder: choose a model and a seed, watch the rows come. */

/** @import {Picture, Portable} from "../types" */

import { unpack } from "../container.js";
import { loadInWorker } from "../in_worker.js";
import { readPng } from "../png.js";
import { recipeOf, toByte } from "../recipe.js";

/** @typedef {Portable & {close: () => void}} Loaded */
/** @typedef {{name: string, sha256: string, identity: string, about: string, labels: string[]}} Listed */

/** Begins links, so that each opens here and, behind its #, at a service. */
const VIEW = "sample?";
/** No label. */
const ANY = "[]";
const element = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));
const form = /** @type {HTMLFormElement} */ (element("form"));
const field = (/** @type {string} */ name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));

/** @type {Map<string, Promise<Loaded>>} */
const loaded = new Map();
let stop = new AbortController();
/** @type {Listed[]} */
let models = [];

/** @param {string} name */
function model(name) {
  let found = loaded.get(name);
  if (!found) {
    found = loadInWorker(`models/${name}/`);
    loaded.set(name, found);
    found.catch(() => loaded.delete(name));
  }
  return found;
}

/**
 * @param {string} text
 * @param {boolean} [isTrouble]
 */
function say(text, isTrouble = false) {
  element("standing").textContent = text;
  element("standing").classList.toggle("trouble", isTrouble);
}

/**
 * Red, green, blue and opacity of a colour of a palette.
 *
 * @param {string} colour
 */
const rgbaOf = (colour) => [1, 3, 5, 7].map((at) => parseInt(colour.slice(at, at + 2) || "ff", 16));

/**
 * Canvases for n pictures; returns what paints a row of one.
 *
 * @param {Portable} of
 * @param {number} n
 */
function easel({ width, height, channels, values, palette }, n) {
  const canvases = Array.from({ length: n }, () => Object.assign(document.createElement("canvas"), { width, height }));
  element("pictures").replaceChildren(...canvases);
  return (/** @type {number} */ index, /** @type {number} */ y, /** @type {Uint8Array} */ row) => {
    const pixels = new ImageData(width, 1);
    for (let x = 0; x < width; x++) {
      if (palette.length) {
        pixels.data.set(rgbaOf(palette[row[x]]), 4 * x);
        continue;
      }
      for (let c = 0; c < 3; c++) {
        pixels.data[4 * x + c] = toByte(row[(c % channels) * width + x], values);
      }
      pixels.data[4 * x + 3] = 255;
    }
    canvases[index].getContext("2d")?.putImageData(pixels, 0, y);
  };
}

/**
 * The labels that the chosen model's pictures can be asked for by: any, one of each, one of all.
 *
 * @param {string[]} asked - what is chosen, if the model has it
 */
function offerLabels(asked) {
  const { labels = [] } = models.find(({ name }) => name === field("model").value) ?? {};
  const each = [ANY, JSON.stringify(labels), ...labels.map((name) => JSON.stringify([name]))];
  const wanted = asked.every((name) => labels.includes(name)) ? JSON.stringify(asked) : ANY;
  const choices = [...new Set([...each, wanted])];
  const text = (/** @type {string} */ choice) =>
    choice === ANY ? "any" : choice === each[1] ? "one of each" : JSON.parse(choice).join(", ");
  field("label").replaceChildren(
    ...choices.map((choice) => new Option(text(choice), choice, false, choice === wanted)),
  );
  element("labels").hidden = !labels.length;
}

/** What is asked for: labels, and of several that many pictures. */
function asked() {
  /** @type {string[]} */
  const labels = JSON.parse(field("label").value);
  if (labels.length > 1) field("n").value = `${labels.length}`;
  const n = Number(field("n").value);
  return { labels, n, label: labels.length > 1 ? labels : labels[0] };
}

async function draw() {
  stop.abort();
  const { signal } = (stop = new AbortController());
  const [name, seed] = [field("model").value, BigInt(field("seed").value)];
  const temperature = Number(field("temperature").value);
  const { labels, n, label } = asked();
  const link = new URLSearchParams({ model: name, seed: `${seed}`, n: `${n}`, temperature: `${temperature}` });
  for (const each of labels) link.append("label", each);
  history.replaceState(null, "", `#${VIEW}${link}`);
  element("about").textContent = models.find((each) => each.name === name)?.about ?? "";
  element("same").hidden = true;
  say("Loading the model");
  try {
    const drawer = await model(name);
    signal.throwIfAborted();
    say("Drawing");
    const since = performance.now();
    const images = await drawer.sample({ n, seed, temperature, label, onRow: easel(drawer, n), signal });
    if (signal.aborted) return;
    say(`Drawn in this browser in ${Math.round(performance.now() - since)} ms: the same bytes as the service.`);
    const given = labels.map((each) => `--label '${each.replaceAll("'", "'\\''")}' `).join("");
    const command = `pixelrnn sample ${name} ${given}--n ${n} --seed ${seed} --temperature ${temperature} --out pictures.png`;
    /** @type {HTMLElement} */ (element("same").querySelector("code")).textContent = command;
    element("same").hidden = false;
    document.body.dataset.drawn = hexOf(images);
  } catch (error) {
    if (!signal.aborted) say(/** @type {Error} */ (error).message, true);
  }
}

/**
 * Check a PNG, or open a file of coded pictures, with the model that it names.
 *
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
async function takeFile(bytes) {
  stop.abort();
  element("same").hidden = true;
  say("Reading the file");
  try {
    const isPng = bytes[0] === 137;
    const recipe = isPng ? recipeOf((await readPng(bytes)).text) : null;
    const { sha256, identity } = recipe ? { ...recipe, sha256: recipe.digest } : unpack(bytes).header;
    const found = models.filter((each) => each.sha256 === sha256);
    const named = found.find((each) => each.identity === identity) ?? found[0];
    if (!named) throw new Error(`no model here has the weights ${sha256?.slice(0, 12)}... that the file names`);
    const drawer = await model(named.name);
    const since = identity && identity !== named.identity ? " Its card has changed since." : "";
    await (isPng ? check(drawer, bytes, since) : open(drawer, bytes, since));
  } catch (error) {
    say(/** @type {Error} */ (error).message, true);
  }
}

/**
 * @param {Portable} drawer
 * @param {Uint8Array<ArrayBuffer>} png
 * @param {string} since - what there is to say of its card
 */
async function check(drawer, png, since) {
  const { verified, seed, samples, changed } = await drawer.verify(png);
  const drew = samples === 1 ? "it" : `all ${samples} pictures`;
  if (verified) return say(`Verified: ${drawer.name} drew ${drew} with seed ${seed}, every pixel.${since}`);
  say(`Not verified: ${changed.length} pixels are not what ${drawer.name} draws with seed ${seed}.${since}`, true);
}

/**
 * @param {Portable} drawer
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {string} since - what there is to say of its card
 */
async function open(drawer, bytes, since) {
  const images = await drawer.decode(bytes);
  const { height, width, channels } = drawer;
  const paint = easel(drawer, images.length);
  images.forEach(({ values }, i) => {
    for (let y = 0; y < height; y++) {
      const row = Array.from({ length: channels }, (_, c) => [
        ...values.subarray((c * height + y) * width).subarray(0, width),
      ]);
      paint(i, y, Uint8Array.from(row.flat()));
    }
  });
  say(`${images.length} pictures, without loss, decoded by ${drawer.name} in this browser.${since}`);
}

/** @param {Picture[]} images */
const hexOf = (images) =>
  images.map(({ values }) => Array.from(values, (v) => v.toString(16).padStart(2, "0")).join("")).join(" ");

/** Fill the form as the page's address says, or a link of a service's page behind its #. */
function take() {
  const link = new URLSearchParams(location.hash.slice(1).replace(VIEW, ""));
  for (const name of ["model", "seed", "n", "temperature"]) if (link.has(name)) field(name).value = `${link.get(name)}`;
  offerLabels(link.getAll("label"));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void draw();
});
field("model").addEventListener("change", () => {
  offerLabels(JSON.parse(field("label").value));
  void draw();
});
field("label").addEventListener("change", () => void draw());
field("another").addEventListener("click", () => {
  field("seed").value = String(crypto.getRandomValues(new Uint32Array(1))[0]);
  void draw();
});
element("file").addEventListener("change", async (event) => {
  const [file] = /** @type {HTMLInputElement} */ (event.target).files ?? [];
  if (file) await takeFile(new Uint8Array(await file.arrayBuffer()));
});
addEventListener("hashchange", () => {
  take();
  void draw();
});

try {
  models = await (await fetch("models/index.json")).json();
  field("model").replaceChildren(...models.map(({ name }) => new Option(name)));
  take();
  if (form.reportValidity()) await draw();
} catch (error) {
  say(`The list of models cannot be read: ${/** @type {Error} */ (error).message}`, true);
}
