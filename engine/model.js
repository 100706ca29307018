/** A model that draws here: its members, each in its own orientation. */

/** @import {Component, CompleteOptions, Completion, Description, Draw, Drawing, Guide, LabelOptions, OnRow, Order, Picture, Program, SampleOptions, Verdict} from "./types" */

import { drawingsOf, labelNumber, pictureOf } from "./asked.js";
import { Codec } from "./codec.js";
import { exactSum, log, logCount, logSum } from "./elementary.js";
import { EngineError } from "./files.js";
import { Chooser } from "./noise.js";
import { placesOf, turn, turnBack } from "./orientation.js";
import { readPng } from "./png.js";
import { cut, hasColours, recipeOf, toByte } from "./recipe.js";
import { Stage } from "./stage.js";

/** Images that are drawn side by side. */
const SLOTS = 8;
/** For so long nothing else runs where the engine does. */
const TURN_MS = 16;

export class Model {
  #program;
  #description;
  #weights;
  #guides;
  #codec;

  /**
   * @param {Program} program
   * @param {Description} description
   * @param {Uint8Array[]} weights - of each member
   * @param {Guide[]} guides
   */
  constructor(program, description, weights, guides) {
    this.#program = program;
    this.#description = description;
    this.#weights = weights;
    this.#guides = guides;
    this.#codec = new Codec(description, (member, images) => this.#stage(member, images));
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
   * Draw n images of a seed: those that the service draws, whatever n is.
   *
   * Each has `nats` and `bitsPerDim`, -ln of its probability under the distribution that
   * drew it: at this temperature, of all members, and given the label if one is asked for.
   * They have the bits of the service's numbers. Other members and labels have to score the
   * image for that, which `weighed: false` saves; both are null then.
   *
   * @param {SampleOptions} options
   * @returns {Promise<Draw[]>}
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
    const logPs = [];
    const images = await this.#draw(orders, options, logPs);
    if (!weighed) return images.map((image) => ({ ...image, nats: null, bitsPerDim: null }));
    const asked = drawings.map(({ label }) => label);
    const mixed = await this.#logPsByAll(orders, asked, images, logPs, options.signal);
    const bit = Math.LN2 * this.channels * this.height * this.width;
    return images.map((image, i) => ({ ...image, nats: 0 - mixed[i], bitsPerDim: (0 - mixed[i]) / bit }));
  }

  /**
   * Draw n images that agree with what is given.
   *
   * @param {CompleteOptions} options
   * @returns {Promise<Completion>}
   */
  async complete(options) {
    const { complete } = await import("./posterior/completion.js").catch((error) => {
      throw new EngineError(`the engine's part that completes cannot be read: ${error.message}`);
    });
    const drawer = {
      program: this.#program,
      description: this.#description,
      weights: this.#weights,
      guides: this.#guides,
      draw: this.#draw.bind(this),
      tell: this.#told.bind(this),
    };
    return complete(drawer, options);
  }

  /**
   * -ln p of a picture, in nats, given a label or not; of all members and labels together.
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
   * What each pixel of a picture costs in bits, row by row, in the order that finds it likeliest; with the given label,
   * or else with the label that finds it likeliest.
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
   * How probable each label is, given a picture; and -ln p of the picture, whatever its label.
   *
   * @param {ArrayLike<number>} values
   */
  async classify(values) {
    if (!this.labels.length) throw new EngineError(`${this.name} has no labels`);
    const joint = this.#joint(pictureOf(values, this));
    const logP = logSum(joint);
    return { p: joint.map((each) => Math.exp(each - logP)), nats: -logP };
  }

  /**
   * ln p of a picture and each label; of a model without labels, of the picture alone.
   *
   * @param {Uint8Array} picture
   */
  #joint(picture) {
    const priors = this.#priors();
    return this.#logPs(picture, numbersOf(this.labels)).map((logP, k) => logP + Math.log(priors[k]));
  }

  /**
   * ln p of a picture given each of some labels, by all members together.
   *
   * @param {Uint8Array} picture
   * @param {(number | undefined)[]} labels
   */
  #logPs(picture, labels) {
    const found = this.#logPsOfMembers(picture, labels);
    return labels.map((_, k) => logSum(found.map((each) => each[k])) - Math.log(found.length));
  }

  /**
   * The same by each member.
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
   * Images as the bytes of a file, without loss: those that `pixelrnn encode` and the service give.
   *
   * @param {ArrayLike<number>[]} images - values as a picture has them
   * @param {LabelOptions} [options] - label: that of all images
   */
  async encode(images, { label } = {}) {
    if (!images?.length) throw new EngineError("there is no image to encode");
    return this.#codec.encode(
      Array.from(images, (values) => pictureOf(values, this)),
      labelNumber(label, this.#description),
    );
  }

  /**
   * The images of a file that `encode`, `pixelrnn encode` or the service made with this model.
   *
   * @param {Uint8Array} bytes
   * @returns {Promise<Picture[]>}
   */
  async decode(bytes) {
    return (await this.#codec.decode(bytes)).map((values) => this.#picture(values));
  }

  /**
   * Did this model draw a picture, as its PNG says? It draws it again, and every pixel must be the same.
   *
   * @param {Uint8Array<ArrayBuffer>} png
   * @returns {Promise<Verdict>}
   */
  async verify(png) {
    const file = await readPng(png);
    const { digest, identity, samples, options } = recipeOf(file.text);
    if (digest !== this.#description.sha256) {
      throw new EngineError(`the picture names the weights ${digest?.slice(0, 12)}..., which ${this.name} has not`);
    }
    if (!hasColours(file, this.palette, samples > 1)) {
      throw new EngineError(`the picture has other colours than ${this.name} has: another program saved it`);
    }
    const { images, foreign } = cut(file, samples, this);
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
   * Whether another identity is named than this model's; files of earlier versions name none.
   *
   * @param {string} identity
   */
  #hasChangedSince(identity) {
    return identity !== "" && identity !== this.#description.identity;
  }

  /**
   * @param {Uint8Array} values
   * @param {ArrayLike<number>} pixels
   * @param {number} sample
   * @returns {Verdict["changed"]}
   */
  #changed(values, pixels, sample) {
    const size = this.height * this.width;
    const places = Array.from({ length: size }, (_, i) => i).filter((place) => {
      for (let at = place; at < values.length; at += size)
        if ((this.palette.length ? values[at] : toByte(values[at], this.values)) !== pixels[at]) return true;
      return false;
    });
    return places.map((place) => ({ sample, x: place % this.width, y: Math.floor(place / this.width) }));
  }

  /**
   * @param {Order[]} orders
   * @param {Partial<SampleOptions>} options
   * @param {number[]} [logPs] - into which ln p of the weighed pixels of each image is put
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
   * ln p of drawn images under all members and labels that could have drawn them.
   *
   * @param {Order[]} orders
   * @param {(number | undefined)[]} asked - the label that was asked for, of each image
   * @param {Picture[]} images
   * @param {number[]} logPs - ln p by the member and the label that drew each image
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
   * The labels that an image of a member may have, with ln of each one's share of the
   * model: the one that is asked for, or all that have one.
   *
   * @param {number | undefined} asked
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
   * Images of one member, each as it becomes complete, and ln p of its weighed pixels.
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
        if (orientation === "none") onRow(index, y, stage.values(slot, y));
        if (y < this.height - 1) continue;
        const upright = turnBack(stage.values(slot), this.height, this.width, orientation);
        if (orientation !== "none") this.#tellRows(index, upright, onRow);
        yield [index, upright, stage.logP(slot)];
        seated.delete(slot);
        this.#seat(stage, slot, seated, waiting);
      }
      await turns.next();
    }
  }

  /**
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

  /** @param {Uint8Array} values @returns {Picture} */
  #picture(values) {
    const { height, width, channels } = this;
    return { values, width, height, channels };
  }

  /**
   * The picture of an image that was drawn; its rows are told.
   *
   * @param {number} index
   * @param {Uint8Array} values
   * @param {Partial<SampleOptions>} options
   */
  #told(index, values, { onRow = () => {} }) {
    this.#tellRows(index, values, onRow);
    return this.#picture(values);
  }

  /**
   * @param {number} index
   * @param {Uint8Array} image
   * @param {OnRow} onRow
   */
  #tellRows(index, image, onRow) {
    const { height, width, channels } = this;
    for (let y = 0; y < height; y++) {
      const row = new Uint8Array(channels * width);
      for (let c = 0; c < channels; c++)
        row.set(image.subarray((c * height + y) * width, (c * height + y + 1) * width), c * width);
      onRow(index, y, row);
    }
  }

  /**
   * @param {number} member
   * @param {number} images
   */
  #stage(member, images) {
    return new Stage(this.#program, this.#description, this.#weights[member], images);
  }

  /**
   * @param {Uint8Array} maps
   * @param {import("./types").Orientation} orientation
   */
  #turned(maps, orientation) {
    return turn(maps, this.height, this.width, orientation);
  }

  /** A map of all pixels. */
  #everyPixel() {
    return new Uint8Array(this.height * this.width).fill(1);
  }

  /** The probability of each label; 1 of a model without. */
  #priors() {
    return this.labels.length ? this.#description.labels.map(({ prior }) => prior) : [1];
  }

  /**
   * The same with a label, if the model has any: the one that is asked for, or one that the noise chooses.
   *
   * @param {Drawing} drawing
   * @param {number[]} shares - of the labels
   * @param {Chooser} chooser
   * @returns {Drawing}
   */
  #labelled(drawing, shares, chooser) {
    return this.labels.length ? { ...drawing, label: drawing.label ?? chooser.label(drawing, shares) } : drawing;
  }
}

/** Lets others run, where the engine runs, after every TURN_MS of work. */
class Turns {
  #since = performance.now();
  #signal;

  /** @param {AbortSignal | undefined} signal */
  constructor(signal) {
    this.#signal = signal;
  }

  /** Give others a turn if it is time for one; throws if the work is aborted. */
  async next() {
    if (performance.now() - this.#since > TURN_MS) {
      await new Promise((resume) => setTimeout(resume));
      this.#since = performance.now();
    }
    this.#signal?.throwIfAborted();
  }
}

/**
 * The numbers of labels; none stands for all images.
 *
 * @param {string[]} labels
 */
const numbersOf = (labels) => (labels.length ? labels.map((_, k) => k) : [undefined]);
