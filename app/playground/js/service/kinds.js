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
  [/sprite/i, t("Sprites")],
  [/texture/i, t("Textures")],
  [/cifar|imagenet/i, t("Photographs")],
  [/emoji/i, t("Emoji")],
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
