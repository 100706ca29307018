/**
 * A loaded model: a mixture of networks, its members, each drawing in its own
 * orientation.
 */

/** @import {Component, CompleteOptions, Completion, Description, Draw, Drawing, Guide, LabelOptions, OnRow, Order, Picture, Program, SampleOptions, Verdict} from "./types" */

import { drawingsOf, labelNumber, pictureOf } from "./validation.js";
import { exactSum, log, logCount, logSum } from "./elementary.js";
import { EngineError } from "./files.js";
import { Chooser } from "./noise.js";
import { placesOf, turn, turnBack } from "./orientation.js";
import { pixelsOf, readPng } from "./png.js";
import { colourAt, cut, recipeOf, sheetOf } from "./recipe.js";
import { Stage } from "./stage.js";

/** Images that are drawn side by side. */
const SLOTS = 8;
/** Milliseconds of work after which other tasks of the page or worker get a turn. */
const TURN_MS = 16;

/**
 * A model that draws, completes, scores, classifies and verifies pictures
 * here, without a service.
 *
 * `load` makes instances; its methods raise EngineError for invalid arguments.
 * Properties: `name`; `width`, `height`, `channels` and `values` (V) of its pictures;
 * `palette`, colours of categories; `orientations` of its members; names of its
 * `labels`; and `module`, the file name of the compiled loop.
 *
 * A picture's values are whole numbers from 0 to V - 1 in the order (channels, height,
 * width). A model is the even mixture of its members. In a model with labels it is also
 * a mixture over labels with the priors of the card, unless a call names a label.
 */
export class Model {
  #program;
  #description;
  #weights;
  #guides;

  /**
   * @param {Program} program
   * @param {Description} description
   * @param {Uint8Array[]} weights - Weights of each member.
   * @param {Guide[]} guides - Networks that propose draws for holes.
   */
  constructor(program, description, weights, guides) {
    this.#program = program;
    this.#description = description;
    this.#weights = weights;
    this.#guides = guides;
    this.name = description.name;
    this.channels = description.image.channels;
    this.height = description.image.height;
    this.width = description.image.width;
    this.values = description.image.values;
    /** The colour of each value, of a model of categories. */
    this.palette = description.palette ?? [];
    this.orientations = description.members.map(({ orientation }) => orientation);
    this.labels = description.labels.map(({ name }) => name);
    this.module = program.file;
  }

  /**
   * Draw n images of a seed. Image i has the same bytes as image i of the service, for
   * any n.
   *
   * Each image has `nats`, -ln of its probability under the distribution that drew it:
   * at this temperature, of all members, and given the label if one was chosen.
   * `bitsPerDim` is the same in bits for each value. To compute them, the other members
   * and labels have to score each image; `weighed: false` saves that time, and both are
   * null then.
   *
   * @param {SampleOptions} options
   * @returns {Promise<Draw[]>} The images in order.
   * @throws {EngineError} if an option is invalid, and the signal's reason if `signal`
   *     is aborted.
   */
  async sample({ weighed = true, ...options }) {
    const drawings = drawingsOf(options, this.#description);
    const chooser = new Chooser(this.#program);
    const priors = this.#priors();
    const every = weighed ? this.#everyPixel() : undefined;
    const orders = drawings.map((drawing, index) => {
      const member = chooser.member(drawing, this.orientations.length);
      return { member, index, drawing: { ...this.#labelled(drawing, priors, chooser), weighed: every } };
    });
    /** @type {number[]} */
    // Drawing also yields ln p by the member and label that drew an image, if its
    // pixels are weighed. Only the other terms of the mixture have to be computed then.
    const logPs = [];
    const images = await this.#draw(orders, options, logPs);
    if (!weighed) return images.map((image) => ({ ...image, nats: null, bitsPerDim: null }));
    const asked = drawings.map(({ label }) => label);
    const mixed = await this.#logPsByAll(orders, asked, images, logPs, options.signal);
    const bit = Math.LN2 * this.channels * this.height * this.width;
    return images.map((image, i) => ({ ...image, nats: 0 - mixed[i], bitsPerDim: (0 - mixed[i]) / bit }));
  }

  /**
   * Fill the pixels of a picture that are not given: draw n completions.
   *
   * @param {CompleteOptions} options
   * @returns {Promise<Completion>} The images, the expected value and the uncertainty
   *     of each pixel, and a receipt that says how good they are.
   * @throws {EngineError} if an option is invalid, and the signal's reason if `signal`
   *     is aborted.
   */
  async complete(options) {
    const { complete } = await import("./posterior/completion.js").catch((error) => {
      throw new EngineError(`the engine's modules for completions cannot be read: ${error.message}`);
    });
    const drawer = {
      program: this.#program,
      description: this.#description,
      weights: this.#weights,
      guides: this.#guides,
      draw: this.#draw.bind(this),
      deliver: this.#deliver.bind(this),
    };
    return complete(drawer, options);
  }

  /**
   * Return -ln p of a picture in nats, by all members together; given a label, or of
   * all labels together.
   *
   * @param {ArrayLike<number>} values
   * @param {LabelOptions} [options]
   */
  async score(values, { label } = {}) {
    const asked = labelNumber(label, this.#description);
    const picture = pictureOf(values, this);
    return -logSum(asked === undefined ? this.#joint(picture) : this.#logPs(picture, [asked]));
  }

  /**
   * Return how many bits each pixel of a picture costs, row by row.
   *
   * The order of the member that finds the picture likeliest is used, with the given
   * label, or else with the label that finds it likeliest.
   *
   * @param {ArrayLike<number>} values
   * @param {LabelOptions} [options]
   */
  async surprise(values, { label: name } = {}) {
    const picture = pictureOf(values, this);
    const asked = labelNumber(name, this.#description);
    const labels = asked === undefined ? numbersOf(this.labels) : [asked];
    const found = this.#logPsOfMembers(picture, labels);
    const best = found.flat().indexOf(Math.max(...found.flat()));
    const [member, label] = [Math.floor(best / labels.length), labels[best % labels.length]];
    const orientation = this.orientations[member];
    const logPs = this.#stage(member, 1).logPOfEach(this.#turned(picture, orientation), label);
    const bits = new Float64Array(logPs.length);
    placesOf(this.height, this.width, orientation).forEach((from, to) => (bits[from] = 0 - logPs[to] / Math.LN2));
    return bits;
  }

  /**
   * Return the probability of each label given a picture, and -ln p of the picture in
   * nats over all labels.
   *
   * @param {ArrayLike<number>} values
   * @throws {EngineError} if the model has no labels.
   */
  async classify(values) {
    if (!this.labels.length) throw new EngineError(`${this.name} has no labels`);
    const joint = this.#joint(pictureOf(values, this));
    const logP = logSum(joint);
    return { p: joint.map((each) => Math.exp(each - logP)), nats: -logP };
  }

  /**
   * Return ln p of a picture together with each label; without labels, of the picture
   * alone.
   *
   * @param {Uint8Array} picture
   */
  #joint(picture) {
    const priors = this.#priors();
    return this.#logPs(picture, numbersOf(this.labels)).map((logP, k) => logP + Math.log(priors[k]));
  }

  /**
   * Return ln p of a picture given each of some labels, by all members together.
   *
   * @param {Uint8Array} picture
   * @param {(number | undefined)[]} labels
   */
  #logPs(picture, labels) {
    const found = this.#logPsOfMembers(picture, labels);
    return labels.map((_, k) => logSum(found.map((each) => each[k])) - Math.log(found.length));
  }

  /**
   * Return ln p of a picture by each member and given each label: [member][label].
   *
   * @param {Uint8Array} picture
   * @param {(number | undefined)[]} labels
   */
  #logPsOfMembers(picture, labels) {
    const keep = this.#everyPixel();
    return this.orientations.map((orientation, member) => {
      const known = this.#turned(picture, orientation);
      return this.#stage(member, labels.length).logPOf({ known, keep }, labels, this.height);
    });
  }

  /**
   * Draw the images of a PNG of samples again, and compare every pixel.
   *
   * @param {Uint8Array<ArrayBuffer>} png - A file that the service or `pixelrnn` wrote,
   *     whose text says how it was drawn.
   * @returns {Promise<Verdict>} Whether all pixels are equal, and the places of the
   *     others.
   * @throws {EngineError} if the PNG was not drawn by this model, is no sample, or was
   *     changed by another program.
   */
  async verify(png) {
    const file = readPng(png);
    const { digest, identity, samples, options } = recipeOf(file.text);
    if (digest !== this.#description.sha256) {
      throw new EngineError(
        `the picture was drawn with the weights ${digest?.slice(0, 12)}..., which are not those of ${this.name}`,
      );
    }
    // Unpacked last: a small file of another model or size can hold many pixels.
    const sheet = sheetOf(file, samples, this);
    const { images, foreign } = cut(await pixelsOf(file), sheet, this);
    // Only the pixels are compared, so their probabilities are not needed.
    const drawn = await this.sample({ ...options, weighed: false });
    const changed = drawn.flatMap(({ values }, i) => this.#changed(values, images[i], options.first + i));
    changed.push(...foreign.map((place) => ({ sample: null, ...place })));
    return {
      verified: !changed.length,
      seed: BigInt(options.seed),
      samples,
      changed,
      cardChanged: this.#hasChangedSince(identity),
    };
  }

  /**
   * Return true if a file names another identity than this model's. Files of earlier
   * versions name none.
   *
   * @param {string} identity
   */
  #hasChangedSince(identity) {
    return identity !== "" && identity !== this.#description.identity;
  }

  /**
   * Return the places at which the colours of the drawn values differ from those of a
   * file.
   *
   * @param {Uint8Array} values
   * @param {Float64Array} colours
   * @param {number} sample
   * @returns {Verdict["changed"]}
   */
  #changed(values, colours, sample) {
    const places = Array.from(colours.keys()).filter((place) => colourAt(values, place, this) !== colours[place]);
    return places.map((place) => ({ sample, x: place % this.width, y: Math.floor(place / this.width) }));
  }

  /**
   * Draw images, member by member; return them in the order of their indices.
   *
   * @param {Order[]} orders
   * @param {Partial<SampleOptions>} options - `onRow` hears of each finished row;
   *     `signal` ends the drawing.
   * @param {number[]} [logPs] - Receives ln p of the weighed pixels of each image.
   */
  async #draw(orders, { onRow = () => {}, signal }, logPs = []) {
    /** @type {Picture[]} */
    const images = [];
    for (const member of this.orientations.keys()) {
      const own = orders.filter((order) => order.member === member);
      for await (const [index, values, logP] of this.#drawn(member, own, onRow, signal)) {
        images[index] = this.#picture(values);
        logPs[index] = logP;
      }
    }
    return images;
  }

  /**
   * Return ln p of each drawn image under all members and labels that could have drawn
   * it.
   *
   * @param {Order[]} orders
   * @param {(number | undefined)[]} asked - Index of the label that was asked for, of
   *     each image.
   * @param {Picture[]} images
   * @param {number[]} logPs - ln p by the member and the label that drew each image, so
   *     they need not be computed again.
   * @param {AbortSignal | undefined} signal
   */
  async #logPsByAll(orders, asked, images, logPs, signal) {
    const turns = new Turns(signal);
    const keep = this.#everyPixel();
    /** @type {number[][]} */
    const terms = images.map(() => []);
    for (const [member, orientation] of this.orientations.entries()) {
      /** @type {Stage | undefined} */
      let stage;
      for (const [i, { drawing, member: drawer }] of orders.entries()) {
        const components = this.#components(asked[i]);
        const isDrawer = (/** @type {Component} */ { label }) => member === drawer && label === drawing.label;
        const others = components.filter((each) => !isDrawer(each));
        const [own] = components.filter(isDrawer);
        if (own) terms[i].push(own.logShare + logPs[i]);
        if (!others.length) continue;
        // A stage needs memory, so it is made only if a member has something to score.
        stage ??= this.#stage(member, Math.max(1, this.labels.length));
        const given = { known: this.#turned(images[i].values, orientation), keep, temperature: drawing.temperature };
        const found = stage.logPOf(
          given,
          others.map(({ label }) => label),
          this.height,
        );
        terms[i].push(...found.map((logP, k) => others[k].logShare + logP));
        await turns.next();
      }
    }
    return terms.map((each) => (each.length > 1 ? logSum(each) : each[0]));
  }

  /**
   * Return the labels that an image of a member may have, with ln of the share of each
   * in the model.
   *
   * @param {number | undefined} asked - The label that was asked for. Default: all
   *     labels with a prior above 0.
   * @returns {Component[]}
   */
  #components(asked) {
    const logMembers = logCount(this.orientations);
    if (asked !== undefined || !this.labels.length) return [{ label: asked, logShare: 0 - logMembers }];
    const priors = this.#priors();
    const sum = exactSum(priors);
    const found = priors.map((prior, label) => ({ label, logShare: log(prior / sum) - logMembers }));
    return found.filter(({ label }) => priors[label] > 0);
  }

  /**
   * Yield the images of one member as each is finished: index, upright values, ln p of
   * its weighed pixels.
   *
   * @param {number} member
   * @param {Order[]} orders
   * @param {OnRow} onRow
   * @param {AbortSignal | undefined} signal
   * @returns {AsyncGenerator<[number, Uint8Array, number]>}
   */
  async *#drawn(member, orders, onRow, signal) {
    if (!orders.length) return;
    const orientation = this.orientations[member];
    const waiting = [...orders];
    const stage = this.#stage(member, Math.min(SLOTS, orders.length));
    /** @type {Map<number, Order>} */
    const seated = new Map();
    for (let slot = 0; slot < Math.min(SLOTS, orders.length); slot++) this.#seat(stage, slot, seated, waiting);
    const turns = new Turns(signal);
    while (seated.size) {
      for (const [slot, y] of stage.step([...seated.keys()])) {
        const { index } = /** @type {Order} */ (seated.get(slot));
        // A member in another orientation finishes rows that are no rows of the upright
        // picture, so its rows are reported when the whole image is finished.
        if (orientation === "none") onRow(index, y, stage.values(slot, y));
        if (y < this.height - 1) continue;
        const upright = turnBack(stage.values(slot), this.height, this.width, orientation);
        if (orientation !== "none") this.#reportRows(index, upright, onRow);
        yield [index, upright, stage.logP(slot)];
        seated.delete(slot);
        this.#seat(stage, slot, seated, waiting);
      }
      await turns.next();
    }
  }

  /**
   * Open the next waiting image in a free slot, if there is one.
   *
   * @param {Stage} stage
   * @param {number} slot
   * @param {Map<number, Order>} seated
   * @param {Order[]} waiting
   */
  #seat(stage, slot, seated, waiting) {
    const order = waiting.shift();
    if (!order) return;
    stage.open(slot, order.drawing);
    seated.set(slot, order);
  }

  /**
   * Return values with the size of the model's pictures.
   *
   * @param {Uint8Array} values
   * @returns {Picture}
   */
  #picture(values) {
    const { height, width, channels } = this;
    return { values, width, height, channels };
  }

  /**
   * Report all rows of a finished image and return it as a picture.
   *
   * @param {number} index
   * @param {Uint8Array} values
   * @param {Partial<SampleOptions>} options
   */
  #deliver(index, values, { onRow = () => {} }) {
    this.#reportRows(index, values, onRow);
    return this.#picture(values);
  }

  /**
   * Report each row of an upright image (channels, height, width) to `onRow`.
   *
   * @param {number} index
   * @param {Uint8Array} image
   * @param {OnRow} onRow
   */
  #reportRows(index, image, onRow) {
    const { height, width, channels } = this;
    for (let y = 0; y < height; y++) {
      const row = new Uint8Array(channels * width);
      for (let c = 0; c < channels; c++)
        row.set(image.subarray((c * height + y) * width, (c * height + y + 1) * width), c * width);
      onRow(index, y, row);
    }
  }

  /**
   * Make a stage of a member with slots for so many images.
   *
   * @param {number} member
   * @param {number} images
   */
  #stage(member, images) {
    return new Stage(this.#program, this.#description, this.#weights[member], images);
  }

  /**
   * Return maps in another orientation.
   *
   * @param {Uint8Array} maps
   * @param {import("./types").Orientation} orientation
   */
  #turned(maps, orientation) {
    return turn(maps, this.height, this.width, orientation);
  }

  /** Return a mask of all pixels. */
  #everyPixel() {
    return new Uint8Array(this.height * this.width).fill(1);
  }

  /** Return the prior of each label; [1] in a model without labels. */
  #priors() {
    return this.labels.length ? this.#description.labels.map(({ prior }) => prior) : [1];
  }

  /**
   * Return a drawing with a label, if the model has labels: its own, or one that the
   * noise chooses.
   *
   * @param {Drawing} drawing
   * @param {number[]} shares - Prior of each label.
   * @param {Chooser} chooser
   * @returns {Drawing}
   */
  #labelled(drawing, shares, chooser) {
    return this.labels.length ? { ...drawing, label: drawing.label ?? chooser.label(drawing, shares) } : drawing;
  }
}

/**
 * Lets other tasks of the page or worker run after every TURN_MS milliseconds of work.
 */
class Turns {
  #since = performance.now();
  #signal;

  /** @param {AbortSignal | undefined} signal */
  constructor(signal) {
    this.#signal = signal;
  }

  /** Wait for other tasks if it is time. Raise the signal's reason if it is aborted. */
  async next() {
    if (performance.now() - this.#since > TURN_MS) {
      await new Promise((resume) => setTimeout(resume));
      this.#since = performance.now();
    }
    this.#signal?.throwIfAborted();
  }
}

/**
 * Return the indices of labels; [undefined], which stands for an image without a label,
 * if there are none.
 *
 * @param {string[]} labels
 */
const numbersOf = (labels) => (labels.length ? labels.map((_, k) => k) : [undefined]);
