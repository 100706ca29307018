/**
 * Encode images to the bytes of one file and decode them, without loss.
 *
 * The format is that of model_core/codec/codec.py. Deprecated: `Model.encode` and
 * `Model.decode` warn about it.
 */

/** @import {Description} from "./types" */

import { crc32, joined, pack, packLabels, unpack, unpackLabels } from "./container.js";
import { EngineError } from "./files.js";
import { canary, decodeLanes, encodeLanes } from "./lanes.js";
import { turn, turnBack } from "./orientation.js";

/** @import {Stage} from "./stage.js" */
/** @import {Stripe} from "./container.js" */

/**
 * Streams of images that are coded side by side, at most; more would lengthen small
 * files.
 */
const MAX_LANES = 16;
/** Values (numbers of one colour of one pixel) for each further lane. */
const LANE_VALUES = 2 ** 19;
/** Values in one stripe, at most: the decoder holds one stripe in memory. */
const STRIPE_VALUES = 2 ** 24;
/** Values that `decode` returns at most: 64 MiB. */
const DECODE_VALUES = 2 ** 26;

/**
 * Encodes and decodes images with one model. The class `Model` makes one for its own
 * use.
 *
 * `encode(images, label)` returns a promise of the bytes of a file. `decode(bytes)`
 * returns a promise of the images. Both raise EngineError, and neither changes the
 * model or its arguments.
 */
export class Codec {
  #description;
  #stageOf;

  /**
   * @param {Description} description - The model's portable.json.
   * @param {(member: number, images: number) => Stage} stageOf - Makes a new stage (a
   *     network with slots for images) of a member for so many images.
   */
  constructor(description, stageOf) {
    this.#description = description;
    this.#stageOf = stageOf;
  }

  /**
   * Encode images with each member of the model and return the shortest file.
   *
   * In a model with labels and without `label`, each image is coded under the label
   * that finds it likeliest.
   *
   * @param {Uint8Array[]} images - At least one image, upright, in the order (channels,
   *     height, width).
   * @param {number} [label] - Index of the label of all images.
   */
  async encode(images, label) {
    const files = [];
    for (const member of this.#description.members.keys()) files.push(await this.#encoded(member, images, label));
    return files.reduce((best, file) => (file.length < best.length ? file : best));
  }

  /**
   * Return the bytes of the file in which this member codes the images.
   *
   * @param {number} member
   * @param {Uint8Array[]} images
   * @param {number} [label]
   */
  async #encoded(member, images, label) {
    const { image, labels, sha256, identity } = this.#description;
    const { orientation } = this.#description.members[member];
    const parts = inStripes(images);
    const stage = this.#stageOf(member, Math.max(...parts.map(lanesOf)));
    // The canary must come first: it needs a stage in which nothing was drawn yet.
    const found = await canary(stage, image, labels.length > 0);
    const stripes = parts.map((part) => {
      const turned = part.map((values) => turn(values, image.height, image.width, orientation));
      const theirs = labels.length ? this.#likeliestLabels(member, turned, label) : undefined;
      const lanes = encodeLanes(stage, turned, lanesOf(part), image, theirs);
      if (theirs) lanes[0] = joined([packLabels(theirs, labels.length), lanes[0]]);
      return { images: part.length, lanes, valuesCrc: crc32(joined(part)) };
    });
    return pack({ sha256, identity, member: orientation, images: images.length, canary: found }, stripes);
  }

  /**
   * Return the label of each image: the given one, or else the one under which the
   * image is likeliest.
   *
   * @param {number} member
   * @param {Uint8Array[]} turned - Images in the member's orientation.
   * @param {number} [label]
   */
  #likeliestLabels(member, turned, label) {
    if (label !== undefined) return turned.map(() => label);
    const { image, labels } = this.#description;
    const numbers = labels.map((_, k) => k);
    const stage = this.#stageOf(member, numbers.length);
    const keep = new Uint8Array(image.height * image.width).fill(1);
    return turned.map((known) => {
      const logP = stage.logPOf({ known, keep }, numbers, image.height);
      return logP.indexOf(Math.max(...logP));
    });
  }

  /**
   * Return the images of a file, upright, in the order in which they were encoded.
   *
   * @param {Uint8Array} bytes
   * @throws {EngineError} if the file is damaged or too large, was made by other
   *     weights, or was made by a machine whose arithmetic differs.
   */
  async decode(bytes) {
    const { header, stripes } = unpack(bytes);
    const { name, image, labels, sha256, members } = this.#description;
    if (header.sha256 !== sha256) {
      throw new EngineError(
        `the file was encoded with the model of sha256 ${header.sha256.slice(0, 12)}..., ` +
          `${name} has ${sha256.slice(0, 12)}...`,
      );
    }
    const size = image.channels * image.height * image.width;
    const most = Math.floor(DECODE_VALUES / size);
    // Checked before anything is decoded: a small file can claim many images.
    if (header.images > most)
      throw new EngineError(`the file contains ${header.images} images: expected at most ${most}`);
    const mostOfStripe = Math.floor(STRIPE_VALUES / size);
    for (const { images } of stripes) {
      if (images > mostOfStripe)
        throw new EngineError(`a stripe contains ${images} images: expected at most ${mostOfStripe}`);
    }
    const member = members.findIndex(({ orientation }) => orientation === header.member);
    if (member < 0)
      throw new EngineError(`the file was coded by the member ${header.member}, but ${name} has no such member`);
    const stage = this.#stageOf(member, Math.max(...stripes.map(({ lanes }) => lanes.length)));
    if ((await canary(stage, image, labels.length > 0)) !== header.canary) {
      throw new EngineError("the file was encoded by a machine whose arithmetic differs from this one's");
    }
    return stripes.flatMap((stripe) => this.#decoded(stage, stripe, header.member));
  }

  /**
   * Return the images of one stripe, upright.
   *
   * @param {Stage} stage
   * @param {Stripe} stripe
   * @param {import("./types").Orientation} orientation
   * @throws {EngineError} if the checksum of the decoded values is wrong.
   */
  #decoded(stage, { images, lanes: [first, ...others], valuesCrc }, orientation) {
    const { image, labels } = this.#description;
    const [theirs, code] = labels.length ? unpackLabels(first, images, labels.length) : [undefined, first];
    const found = decodeLanes(stage, [code, ...others], images, image, theirs);
    const upright = found.map((values) => turnBack(values, image.height, image.width, orientation));
    if (crc32(joined(upright)) === valuesCrc) return upright;
    throw new EngineError(
      "the file does not decode to the images that were encoded: the checksum of their values is wrong",
    );
  }
}

/**
 * Return how many lanes code a stripe: one for each image at most.
 *
 * @param {Uint8Array[]} part
 */
const lanesOf = (part) =>
  Math.min(MAX_LANES, part.length, 1 + Math.floor((part.length * part[0].length) / LANE_VALUES));

/**
 * Cut a list of images into stripes of at most STRIPE_VALUES values, at least one image
 * each.
 *
 * @param {Uint8Array[]} images
 */
function inStripes(images) {
  const size = Math.max(1, Math.floor(STRIPE_VALUES / images[0].length));
  return Array.from({ length: Math.ceil(images.length / size) }, (_, i) => images.slice(i * size, (i + 1) * size));
}
