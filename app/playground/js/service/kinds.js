/**
 * Names for the kinds of picture that models draw, which readers understand without
 * knowing the model's name.
 */

import { t } from "../lang.js";

/** @import {Model} from "../types" */

/** Pattern of a model's data -> kind of picture, in the order in which the page offers them. */
const KINDS = /** @type {const} */ ([
  [/ideograph|unifont/i, t("Characters")],
  [/sprite/i, t("Sprites")],
  [/mnist/i, t("Digits")],
  [/floor plan/i, t("Floor plans")],
  [/texture/i, t("Textures")],
  [/cifar|imagenet/i, t("Photographs")],
  [/emoji/i, t("Emoji")],
]);
/** Kinds, from here on, of which so small networks draw blobs. */
const FIRST_BLOB = 4;

/**
 * Return true if a model draws photographs.
 *
 * @param {Model} model
 */
export function drawsPhotographs(model) {
  return kindOf(model) === t("Photographs");
}

/**
 * Return the kind of picture that a model draws, in the reader's language, such as
 * "Digits". Of a model with other data, such as the user's own, return its name.
 *
 * @param {Model} model
 */
export function kindOf({ name, data }) {
  return KINDS.find(([pattern]) => pattern.test(data))?.[1] ?? name;
}

/**
 * Return a description of a model's network in the reader's language: its title, and
 * whether it has two scales, orientations or labels.
 *
 * @param {Model} model
 */
export function networkOf({ title, small_width: hasStages, members, labels }) {
  const scales = hasStages ? "Multi-Scale " : "";
  const orders = members.length > 1 ? ` ${t("in {count} orientations", { count: members.length })}` : "";
  return scales + title + orders + (labels.length ? ` ${t("with labels")}` : "");
}

/**
 * Return a number that orders models as the list of kinds, the smallest first. The
 * user's own kinds stand before those of blobs.
 *
 * @param {Model} model
 */
export function rankOf(model) {
  const place = KINDS.findIndex(([, word]) => word === kindOf(model));
  return place < 0 ? FIRST_BLOB - 0.5 : place;
}

/**
 * Return true if a model knows colours and edges of its pictures, but not things: it
 * draws blobs.
 *
 * @param {Model} model
 */
export function drawsBlobs(model) {
  return rankOf(model) >= FIRST_BLOB;
}
