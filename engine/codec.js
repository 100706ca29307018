/** Images to a file's bytes and back, without loss, as model_core/codec/codec.py has it. */

/** @import {Description} from "./types" */

import { crc32, joined, pack, packLabels, unpack, unpackLabels } from "./container.js";
import { EngineError } from "./files.js";
import { canary, decodeLanes, encodeLanes } from "./lanes.js";
import { turn, turnBack } from "./orientation.js";

/** @import {Stage} from "./stage.js" */
/** @import {Stripe} from "./container.js" */

const MAX_LANES = 16;
/** One more lane for each so many values. */
const LANE_VALUES = 2 ** 19;
/** A stripe has no more. */
const STRIPE_VALUES = 2 ** 24;
/** `decode` gives no more at once. */
const DECODE_VALUES = 2 ** 26;

export class Codec {
  #description;
  #stageOf;

  /**
   * @param {Description} description
   * @param {(member: number, images: number) => Stage} stageOf - makes a new one
   */
  constructor(description, stageOf) {
    this.#description = description;
    this.#stageOf = stageOf;
  }

  /**
   * The shortest of the files that the members give. Each image has the label under which it is the likeliest.
   *
   * @param {Uint8Array[]} images
   * @param {number} [label] - that of all images, if it is given
   */
  async encode(images, label) {
    const files = [];
    for (const member of this.#description.members.keys()) files.push(await this.#encoded(member, images, label));
    return files.reduce((best, file) => (file.length < best.length ? file : best));
  }

  /**
   * @param {number} member
   * @param {Uint8Array[]} images
   * @param {number} [label]
   */
  async #encoded(member, images, label) {
    const { image, labels, sha256, identity } = this.#description;
    const { orientation } = this.#description.members[member];
    const parts = inStripes(images);
    const stage = this.#stageOf(member, Math.max(...parts.map(lanesOf)));
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
   * @param {number} member
   * @param {Uint8Array[]} turned - images as the member sees them
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
   * The images of a file.
   *
   * @param {Uint8Array} bytes
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
    const most = Math.floor(DECODE_VALUES / (image.channels * image.height * image.width));
    if (header.images > most) throw new EngineError(`the file holds ${header.images} images: expected at most ${most}`);
    const member = members.findIndex(({ orientation }) => orientation === header.member);
    if (member < 0) throw new EngineError(`the file was coded by the member ${header.member}, which ${name} has not`);
    const stage = this.#stageOf(member, Math.max(...stripes.map(({ lanes }) => lanes.length)));
    if ((await canary(stage, image, labels.length > 0)) !== header.canary) {
      throw new EngineError("the file was encoded by a machine that computes otherwise than this one");
    }
    return stripes.flatMap((stripe) => this.#decoded(stage, stripe, header.member));
  }

  /**
   * @param {Stage} stage
   * @param {Stripe} stripe
   * @param {import("./types").Orientation} orientation
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

/** @param {Uint8Array[]} part */
const lanesOf = (part) =>
  Math.min(MAX_LANES, part.length, 1 + Math.floor((part.length * part[0].length) / LANE_VALUES));

/** @param {Uint8Array[]} images */
function inStripes(images) {
  const size = Math.max(1, Math.floor(STRIPE_VALUES / images[0].length));
  return Array.from({ length: Math.ceil(images.length / size) }, (_, i) => images.slice(i * size, (i + 1) * size));
}
