/**
 * Complete a picture: choose the method, draw the images and describe how good they
 * are.
 *
 * As in model_core/posterior/completion.py: exact draws if nothing given lies behind
 * the hole, scoring of all fillings of a small hole, otherwise particles.
 */

/** @import {CompleteOptions, Completion, Description, Drawing, Guide, Order, Picture, Program, Receipt, SampleOptions} from "../types" */
/** @import {Component, Given} from "./types" */

import { drawingsOf, labelNumber, maskOf, pictureOf } from "../validation.js";
import { EngineError } from "../files.js";
import { Chooser } from "../noise.js";
import { argmax, logSum, shares } from "../elementary.js";
import { countsOf, EnumeratedRun, FEW_SCORES, mostScores } from "./enumeration.js";
import { ExactRun, isDrawnLast } from "./exact.js";
import { IslandsRun, sizeOfChain } from "./islands.js";
import { Shares } from "./marginals.js";
import { Mixture, Way } from "./mixture.js";
import { Choices } from "./noise.js";
import { Particles } from "./particles.js";
import { givenBehind } from "./plan.js";
import { ofNoImage, receiptWith } from "./receipt.js";
import { Slots } from "./slots.js";

/** Default and maximum of the option `particles`. */
const [PARTICLES, MAX_PARTICLES] = [32, 256];
/** Default and maximum of the option `sweeps`. */
const [SWEEPS, MAX_SWEEPS] = [2, 16];
/** Exact draws from which marginals are estimated, at least: fewer would make pixels look certain. */
const DRAWS = 8;
/** Milliseconds of work after which other tasks of the page or worker get a turn. */
const TURN_MS = 16;

/**
 * The parts of a `Model` that a completion uses.
 *
 * @typedef {Object} Drawer
 * @property {Program} program
 * @property {Description} description
 * @property {Uint8Array[]} weights - Weights of each member.
 * @property {Guide[]} guides
 * @property {(orders: Order[], options: Partial<SampleOptions>) => Promise<Picture[]>} draw -
 *     Draws images and reports their rows.
 * @property {(index: number, values: Uint8Array, options: Partial<SampleOptions>) => Picture} deliver -
 *     Reports the rows of a finished image and returns it as a picture.
 */

/**
 * The distribution that a completion draws from: p(hole | all given pixels) of one model.
 *
 * `complete` makes one for each call. It holds the given pixels upright (`known`, `keep`), the
 * temperature and the seed, and `mixture`: a way for each member and guide, with memory for
 * so many particles. Making it raises EngineError if there is too little memory.
 */
export class Target {
  /**
   * @param {Drawer} drawer - The parts of the model.
   * @param {Drawing & {known: Uint8Array, keep: Uint8Array}} drawing - The first image:
   *     given pixels, seed, temperature and label.
   * @param {number} size - Particles or images that a way can hold side by side.
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
    this.mostScores = mostScores(description);
    const ways = members.map(({ orientation }, m) => {
      /** @param {number} most */
      const particles = (most) => new Particles(new Slots(program, description, weights[m], most), most);
      return new Way(orientation, components, image, choices, particles, size);
    });
    const guiding = guides.map(({ orientation, member, ...lent }) => {
      /** @param {number} most */
      const particles = (most) => new Particles(new Slots(lent.program, lent.description, lent.weights, most), most);
      // A guide that is a member shares the member's way and its memory.
      return ways[member ?? -1] ?? new Way(orientation, [{ prior: 1 }], image, choices, particles, size);
    });
    this.mixture = new Mixture(ways, guiding);
  }

  /**
   * Return the given pixels and the noise of one image.
   *
   * @param {number} sample - Number of the image.
   * @returns {Given}
   */
  given(sample) {
    const { known, keep, seed, temperature } = this;
    // Chains compare nats at their own temperature with strangeNats when they decide whether
    // to begin again, which only makes sense at temperature 1.
    const strangeNats = temperature === 1 ? this.strangeNats : null;
    return { known, keep, seed, sample, temperature, strangeNats };
  }

  /** Return marginals of the hole to which nothing was added yet. */
  noShares() {
    return new Shares(this.image, this.known, this.keep, this.temperature);
  }
}

/**
 * Fill the pixels of a picture that are not given: draw n completions.
 *
 * The method is chosen from the hole. With `method: "clamp"`, the first member draws
 * each pixel given those before it only. Otherwise images are drawn from the posterior:
 * exactly if no given pixel lies behind the hole in any member's order, or by scoring
 * all fillings if there are few; else by particles. `onRow` is called with the rows of
 * each finished image.
 *
 * @param {Drawer} drawer - The parts of the model; nobody else may use its stages
 *     meanwhile.
 * @param {CompleteOptions} options - Options of `Model.complete`. With n = 0 no image
 *     is returned, but marginals and receipt are computed.
 * @returns {Promise<Completion>} The images, in order; the receipt; and for each
 *     variable its expected value and its entropy in bits, both null for clamp.
 * @throws {EngineError} if an option or a given value is invalid, if the model finds
 *     the given pixels impossible, or if there is too little memory; the signal's
 *     reason if `signal` is aborted.
 */
export async function complete(drawer, options) {
  const { description } = drawer;
  const { n, method, particles, sweeps } = withDefaults(options);
  const keep = maskOf(options.keep, description.image);
  const known = pictureOf(options.known, description.image, keep);
  const drawings = drawingsOf({ ...options, n: n === 0 ? 1 : n }, description).map((each) => ({
    ...each,
    known,
    keep,
  }));
  // Only a clamp may have a label for each image; its target must not depend on the
  // first one.
  const ofAll = Array.isArray(options.label) ? { ...drawings[0], label: undefined } : drawings[0];
  const target = new Target(drawer, ofAll, Math.max(sizeOfChain(particles), DRAWS));
  if (method === "clamp") return clamped(drawer, target, drawings, options);

  // The methods are tried in the order of their reliability: exact draws, all fillings
  // scored, particles.
  const { ways } = target.mixture;
  const needsParticles = ways.length > 1 || givenBehind(ways[0].turned(keep)) > 0;
  if (!needsParticles) return exact(drawer, target, drawings, options, n);
  const run = runOf(target, particles, sweeps);
  const images = [];
  for (const [i, { sample }] of drawings.entries()) {
    images.push(drawer.deliver(i, await driven(run.steps(sample), options), n ? options : {}));
  }
  return completion(images.slice(0, n), run.receipt(), run.marginals());
}

/**
 * What draws the images of a completion by several networks, or with given pixels behind the hole.
 *
 * @param {Target} target
 * @param {number} particles
 * @param {number} sweeps
 */
function runOf(target, particles, sweeps) {
  const { scores } = countsOf(target);
  if (scores <= FEW_SCORES) return new EnumeratedRun(target);
  if (target.mixture.ways.length > 1 && isDrawnLast(target)) return new ExactRun(target);
  if (scores <= target.mostScores) return new EnumeratedRun(target);
  return new IslandsRun(target, particles, sweeps);
}

/**
 * Return the options of a completion with their defaults. Raise EngineError if one is
 * invalid.
 *
 * @param {CompleteOptions} options
 */
function withDefaults({ n: count, label, method = "posterior", particles = PARTICLES, sweeps = SWEEPS }) {
  if (method !== "posterior" && method !== "clamp") {
    throw new EngineError(`unknown method ${method}: expected posterior or clamp`);
  }
  const n = count ?? (Array.isArray(label) ? label.length : 1);
  if (n === 0 && method === "clamp") throw new EngineError("n must be a whole number from 1 on for clamp, not 0");
  if (Array.isArray(label) && method === "posterior") {
    throw new EngineError("a completion from the posterior takes one label for all images, not a list");
  }
  within("particles", particles, 1, MAX_PARTICLES);
  within("sweeps", sweeps, 0, MAX_SWEEPS);
  return { n, method, particles, sweeps };
}

/**
 * Raise EngineError unless a value is a whole number from `least` to `most`.
 *
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
 * Let the first member draw each pixel given those before it in its order.
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
 * Draw each image exactly, since no given pixel lies behind the hole.
 *
 * If fewer than DRAWS images are asked for, more are drawn for the marginals.
 *
 * @param {Drawer} drawer
 * @param {Target} target
 * @param {Drawing[]} drawings - At least one.
 * @param {CompleteOptions} options
 * @param {number} n - Number of images to return; 0 if only the marginals are wanted.
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
  const receipt = await driven(describe(target, marginals, [...drawn, ...more], n, -logSum(before)), options);
  return completion(drawn, receipt, marginals.result());
}

/**
 * Compute the receipt of exact draws and add their predictions to the marginals, in
 * steps.
 *
 * @param {Target} target
 * @param {Shares} marginals
 * @param {Picture[]} pictures - Draws; the first n were asked for.
 * @param {number} n
 * @param {number} evidence - -ln p(given), in nats.
 * @returns {Generator<any, Receipt>}
 */
function* describe(target, marginals, pictures, n, evidence) {
  const [way] = target.mixture.ways;
  const images = pictures.map(({ values }) => values);
  /** @type {number[][]} */
  const logPs = [];
  // Only with labels do the further images have to be scored: their likeliest label is
  // needed for the predictions.
  for (const image of way.components.length > 1 ? images : images.slice(0, n)) {
    logPs.push(way.logP([image], target.temperature).map(([each], k) => each + way.logPriors[k]));
    yield;
  }
  const likeliest = images.map((_, i) => (logPs[i] ? argmax(logPs[i]) : 0));
  for (const [k, component] of way.components.entries()) {
    const own = images.filter((_, i) => likeliest[i] === k);
    yield* marginals.predicting(way, component, own);
  }
  const nats = logPs.slice(0, n).map((each) => -logSum(each));
  const { label } = way.components[likeliest[Math.max(0, n - 1)]];
  const facts = { exact: true, member: way.orientation, evidence_nats: evidence, nats };
  return receiptWith({ ...facts, quality: "exact", qualities: nats.map(() => "exact") }, label);
}

/**
 * Return what the first member has to draw for each image.
 *
 * An image whose label was not asked for gets one that its noise chooses by these
 * shares.
 *
 * @param {Drawer} drawer
 * @param {Target} target
 * @param {Drawing[]} drawings
 * @param {number[]} likely - Share of each label.
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
 * Return the probability of each label given the pixels before the hole
 * (sampling/label_choice.py).
 *
 * @param {Target} target
 * @param {number[]} before - ln of prior and probability of these pixels, by label.
 */
function labelShares({ mixture, keep }, before) {
  const [way] = mixture.ways;
  // If the hole begins at the first pixel, the priors are returned as they are on the
  // card: dividing them by their sum could change their last bits.
  return way.turned(keep)[0] ? shares(before) : way.components.map(({ prior }) => prior);
}

/**
 * Return the components of a member: one for each label that an image may have.
 *
 * @param {number | undefined} label - Index of the label that was asked for.
 * @param {Description} description
 * @returns {Component[]}
 */
function componentsOf(label, { labels }) {
  if (label !== undefined || !labels.length) return [{ label, prior: 1 }];
  return labels.map(({ prior }, k) => ({ label: k, prior }));
}

/**
 * Return the result of a completion.
 *
 * @param {Picture[]} images
 * @param {Receipt} receipt
 * @param {ReturnType<Shares["result"]>} [marginals]
 * @returns {Completion}
 */
function completion(images, receipt, marginals) {
  const { mean = null, entropyBits = null } = marginals ?? {};
  const described = images.length ? receipt : ofNoImage(receipt);
  return { images, exact: receipt.exact, member: receipt.member, receipt: described, mean, entropyBits };
}

/**
 * Run a generator to its end; return its value. Other tasks get a turn between its
 * steps.
 *
 * @template T
 * @param {Generator<any, T>} steps
 * @param {{signal?: AbortSignal}} options
 * @throws the signal's reason if `signal` is aborted.
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
