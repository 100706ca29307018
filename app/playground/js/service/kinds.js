/**
 * Names for the kinds of picture that models draw, which readers understand without
 * knowing the model's name.
 */

import { t } from "../lang.js";

/** @import {Model} from "../types" */

/** Pattern of a model's data -> kind of picture. */
const KINDS = /** @type {const} */ ([
  [/mnist/i, t("Digits")],
  [/ideograph|unifont/i, t("Characters")],
  [/floor plan/i, t("Floor plans")],
  [/emoji/i, t("Emoji")],
  [/sprite/i, t("Sprites")],
  [/texture/i, t("Textures")],
  [/cifar|imagenet/i, t("Photographs")],
]);

/**
 * Return true if a model draws photographs.
 *
 * @param {Model} model
 * @returns {boolean}
 */
export function drawsPhotographs(model) {
  return kindOf(model) === t("Photographs");
}

/**
 * Bits per value of a Multi-Scale model above which its large pictures are only noise
 * in the small one's colours.
 */
const GOOD_BITS = 3.6;

/**
 * Return the kind of picture that a model draws, in the reader's language, such as
 * "Digits". Of a model with other data, such as the user's own, return its name.
 *
 * @param {Model} model
 * @returns {string}
 */
export function kindOf({ name, data }) {
  return KINDS.find(([pattern]) => pattern.test(data))?.[1] ?? name;
}

/**
 * Return a description of a model's network in the reader's language: its title, and
 * whether it has two scales, orientations or labels.
 *
 * @param {Model} model
 * @returns {string}
 */
export function networkOf({ title, small_width: hasStages, members, labels }) {
  const scales = hasStages ? "Multi-Scale " : "";
  const orders = members.length > 1 ? ` ${t("in {count} orientations", { count: members.length })}` : "";
  return scales + title + orders + (labels.length ? ` ${t("with labels")}` : "");
}

/**
 * Return a title that tells a model from others of its kind: kind and network. Of a
 * model with other data, return its name.
 *
 * @param {Model} model
 * @returns {string}
 */
export function titleOf(model) {
  const kind = kindOf(model);
  return kind === model.name ? kind : `${kind} · ${networkOf(model)}`;
}

/**
 * Return true if a model can do upsample jobs and does them well enough to be offered.
 * A model that was never measured is.
 *
 * @param {Model} model
 * @returns {boolean}
 */
export function canEnlarge({ can, test_bits_per_dim: bits }) {
  return can.includes("upsample") && (bits === null || bits < GOOD_BITS);
}

/**
 * Return a number that orders models, the smallest first: black and white ones before
 * the others, then by kind as in the list of kinds.
 *
 * @param {Model} model
 * @returns {number}
 */
export function rankOf(model) {
  const place = KINDS.findIndex(([, word]) => word === kindOf(model));
  return (model.values > 2 ? 100 : 0) + (place < 0 ? KINDS.length : place);
}
