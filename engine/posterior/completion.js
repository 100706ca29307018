/** Completions of one picture: exact or by particles, and the receipt: model_core/posterior/completion.py. */

/** @import {CompleteOptions, Completion, Description, Drawing, Guide, Order, Picture, Program, Receipt, SampleOptions} from "../types" */
/** @import {Component, Given} from "./types" */

import { drawingsOf, labelNumber, maskOf, pictureOf } from "../asked.js";
import { EngineError } from "../files.js";
import { Chooser } from "../noise.js";
import { argmax, logSum, shares } from "../elementary.js";
import { EnumeratedRun, hasFewFillings } from "./enumeration.js";
import { IslandsRun, sizeOfChain } from "./islands.js";
import { Shares } from "./marginals.js";
import { Mixture, Way } from "./mixture.js";
import { Choices } from "./noise.js";
import { Particles } from "./particles.js";
import { givenBehind } from "./plan.js";
import { ofNoImage, receiptWith } from "./receipt.js";
import { Slots } from "./slots.js";

const [PARTICLES, MAX_PARTICLES] = [32, 256];
const [SWEEPS, MAX_SWEEPS] = [2, 16];
/** Exact draws behind the marginals, at the least. */
const DRAWS = 8;
/** For so long nothing else runs where the engine does. */
const TURN_MS = 16;

/**
 * What a model hands over.
 *
 * @typedef {Object} Drawer
 * @property {Program} program
 * @property {Description} description
 * @property {Uint8Array[]} weights - of each member
 * @property {Guide[]} guides
 * @property {(orders: Order[], options: Partial<SampleOptions>) => Promise<Picture[]>} draw
 * @property {(index: number, values: Uint8Array, options: Partial<SampleOptions>) => Picture} tell - of an image that is
 *   drawn
 */

/** p(hole | everything given) of a model: what is given, the right way up, and ways that draw so many particles. */
export class Target {
  /**
   * @param {Drawer} drawer
   * @param {Drawing & {known: Uint8Array, keep: Uint8Array}} drawing - the first
   * @param {number} size
   */
  constructor({ program, description, weights, guides }, drawing, size) {
    const { image, members, strange_nats: strangeNats } = description;
    const choices = new Choices(program);
    const components = componentsOf(drawing.label, description);
    this.known = drawing.known;
    this.keep = drawing.keep;
    this.temperature = drawing.temperature;
    this.seed = drawing.seed;
    this.image = image;
    this.strangeNats = strangeNats;
    const ways = members.map(({ orientation }, m) => {
      /** @param {number} most */
      const particles = (most) => new Particles(new Slots(program, description, weights[m], most), most);
      return new Way(orientation, components, image, choices, particles, size);
    });
    const guiding = guides.map(({ orientation, member, ...lent }) => {
      /** @param {number} most */
      const particles = (most) => new Particles(new Slots(lent.program, lent.description, lent.weights, most), most);
      return ways[member ?? -1] ?? new Way(orientation, [{ prior: 1 }], image, choices, particles, size);
    });
    this.mixture = new Mixture(ways, guiding);
  }

  /**
   * The material of one image.
   *
   * @param {number} sample
   * @returns {Given}
   */
  given(sample) {
    const { known, keep, seed, temperature } = this;
    // Chains compare nats at their own temperature with strangeNats when they decide whether
    // to begin again, which only makes sense at temperature 1.
    const strangeNats = temperature === 1 ? this.strangeNats : null;
    return { known, keep, seed, sample, temperature, strangeNats };
  }

  noShares() {
    return new Shares(this.image, this.known, this.keep, this.temperature);
  }
}

/**
 * Draw n images that agree with what is given.
 *
 * @param {Drawer} drawer
 * @param {CompleteOptions} options
 * @returns {Promise<Completion>}
 */
export async function complete(drawer, options) {
  const { description } = drawer;
  const { n, method, particles, sweeps } = checked(options);
  const keep = maskOf(options.keep, description.image);
  const known = pictureOf(options.known, description.image, keep);
  const drawings = drawingsOf({ ...options, n: n === 0 ? 1 : n }, description).map((each) => ({
    ...each,
    known,
    keep,
  }));
  const ofAll = Array.isArray(options.label) ? { ...drawings[0], label: undefined } : drawings[0];
  const target = new Target(drawer, ofAll, Math.max(sizeOfChain(particles), DRAWS));
  if (method === "clamp") return clamped(drawer, target, drawings, options);
  const { ways } = target.mixture;
  const needsParticles = ways.length > 1 || givenBehind(ways[0].turned(keep)) > 0;
  if (!needsParticles) return exact(drawer, target, drawings, options, n);
  const run = hasFewFillings(target) ? new EnumeratedRun(target) : new IslandsRun(target, particles, sweeps);
  const images = [];
  for (const [i, { sample }] of drawings.entries()) {
    images.push(drawer.tell(i, await driven(run.steps(sample), options), n ? options : {}));
  }
  return completion(images.slice(0, n), run.receipt(), run.marginals());
}

/** @param {CompleteOptions} options */
function checked({ n: asked, label, method = "posterior", particles = PARTICLES, sweeps = SWEEPS }) {
  if (method !== "posterior" && method !== "clamp") {
    throw new EngineError(`unknown method ${method}: expected posterior or clamp`);
  }
  const n = asked ?? (Array.isArray(label) ? label.length : 1);
  if (n === 0 && method === "clamp") throw new EngineError("n must be a whole number from 1 on for clamp, not 0");
  if (Array.isArray(label) && method === "posterior") {
    throw new EngineError("a completion from the posterior takes one label for all images, not a list");
  }
  within("particles", particles, 1, MAX_PARTICLES);
  within("sweeps", sweeps, 0, MAX_SWEEPS);
  return { n, method, particles, sweeps };
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function within(name, value, least, most) {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  throw new EngineError(`${name} must be a whole number from ${least} to ${most}, not ${value}`);
}

/**
 * The first member draws each pixel given what is before it in its order.
 *
 * @param {Drawer} drawer
 * @param {Target} target
 * @param {Drawing[]} drawings
 * @param {CompleteOptions} options
 */
async function clamped(drawer, target, drawings, options) {
  const [way] = target.mixture.ways;
  const exact = target.mixture.ways.length === 1 && !givenBehind(way.turned(target.keep));
  const isAsked = !way.hasLabels || drawings.every(({ label }) => label !== undefined);
  const likely = isAsked ? [] : labelShares(target, way.logPBefore(target.given(0)));
  const images = await drawer.draw(ordersOf(drawer, target, drawings, likely), options);
  return completion(images, receiptWith({ exact, member: way.orientation }));
}

/**
 * One draw for each image, as nothing given lies behind the hole; so few as would be taken for certain are made more,
 * for the marginals.
 *
 * @param {Drawer} drawer
 * @param {Target} target
 * @param {Drawing[]} drawings - one at the least
 * @param {CompleteOptions} options
 * @param {number} n
 */
async function exact(drawer, target, drawings, options, n) {
  const wanted = drawings.slice(0, n);
  const further = Array.from({ length: Math.max(0, DRAWS - n) }, (_, i) => {
    return { ...drawings[0], sample: drawings[0].sample + n + i };
  });
  const before = target.mixture.ways[0].logPBefore(target.given(0));
  const drawn = await drawer.draw(ordersOf(drawer, target, wanted, labelShares(target, before)), options);
  const more = await drawer.draw(ordersOf(drawer, target, further, shares(before)), { signal: options.signal });
  const marginals = target.noShares();
  const receipt = await driven(described(target, marginals, [...drawn, ...more], n, -logSum(before)), options);
  return completion(drawn, receipt, marginals.result());
}

/**
 * The receipt of exact draws, the first n of which were asked for; in steps, as what is predicted along all is taken in.
 *
 * @param {Target} target
 * @param {Shares} marginals
 * @param {Picture[]} pictures
 * @param {number} n
 * @param {number} evidence - nats of what is given
 * @returns {Generator<any, Receipt>}
 */
function* described(target, marginals, pictures, n, evidence) {
  const [way] = target.mixture.ways;
  const images = pictures.map(({ values }) => values);
  /** @type {number[][]} */
  const said = [];
  for (const image of way.components.length > 1 ? images : images.slice(0, n)) {
    said.push(way.logP([image], target.temperature).map(([each], k) => each + way.logPriors[k]));
    yield;
  }
  const likeliest = images.map((_, i) => (said[i] ? argmax(said[i]) : 0));
  for (const [k, component] of way.components.entries()) {
    const own = images.filter((_, i) => likeliest[i] === k);
    yield* marginals.predicting(way, component, own);
  }
  const nats = said.slice(0, n).map((each) => -logSum(each));
  const { label } = way.components[likeliest[Math.max(0, n - 1)]];
  const facts = { exact: true, member: way.orientation, evidence_nats: evidence, nats };
  return receiptWith({ ...facts, quality: "exact", qualities: nats.map(() => "exact") }, label);
}

/**
 * What the first member is told to draw, the label, if it has any, by these shares where none is asked for.
 *
 * @param {Drawer} drawer
 * @param {Target} target
 * @param {Drawing[]} drawings
 * @param {number[]} likely
 * @returns {Order[]}
 */
function ordersOf({ program }, { mixture, known, keep }, drawings, likely) {
  const [way] = mixture.ways;
  const chooser = new Chooser(program);
  const given = { known: way.turned(known), keep: way.turned(keep) };
  return drawings.map((drawing, index) => {
    const label = way.hasLabels ? (drawing.label ?? chooser.label(drawing, likely)) : undefined;
    return { member: 0, index, drawing: { ...drawing, ...given, label } };
  });
}

/**
 * How likely each label is, given the pixels up to the hole's first (sampling/label_choice.py).
 *
 * @param {Target} target
 * @param {number[]} before - ln p of each label and these pixels
 */
function labelShares({ mixture, keep }, before) {
  const [way] = mixture.ways;
  return way.turned(keep)[0] ? shares(before) : way.components.map(({ prior }) => prior);
}

/**
 * @param {number | undefined} label - the one that is asked for
 * @param {Description} description
 * @returns {Component[]}
 */
function componentsOf(label, { labels }) {
  if (label !== undefined || !labels.length) return [{ label, prior: 1 }];
  return labels.map(({ prior }, k) => ({ label: k, prior }));
}

/**
 * @param {Picture[]} images
 * @param {Receipt} receipt
 * @param {ReturnType<Shares["result"]>} [marginals]
 * @returns {Completion}
 */
function completion(images, receipt, marginals) {
  const { mean = null, entropyBits = null } = marginals ?? {};
  const told = images.length ? receipt : ofNoImage(receipt);
  return { images, exact: receipt.exact, member: receipt.member, receipt: told, mean, entropyBits };
}

/**
 * The value that a generator returns, with time for others between its steps.
 *
 * @template T
 * @param {Generator<any, T>} steps
 * @param {{signal?: AbortSignal}} options
 */
async function driven(steps, { signal }) {
  let since = performance.now();
  for (;;) {
    signal?.throwIfAborted();
    const { done, value } = steps.next();
    if (done) return value;
    if (performance.now() - since < TURN_MS) continue;
    await new Promise((resume) => setTimeout(resume));
    since = performance.now();
  }
}
