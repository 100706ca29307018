/** What models draw, in a word that everybody knows: their own names are for those who know them. */

import { t } from "../lang.js";

/** @import {Model} from "../types" */

const KINDS = /** @type {const} */ ([
  [/mnist/i, t("Digits")],
  [/ideograph|unifont/i, t("Characters")],
  [/floor plan/i, t("Floor plans")],
  [/emoji/i, t("Emoji")],
  [/sprite/i, t("Sprites")],
  [/texture/i, t("Textures")],
  [/cifar|imagenet/i, t("Photographs")],
]);

/** Whether photographs are what it draws. @param {Model} model */
export function drawsPhotographs(model) {
  return kindOf(model) === t("Photographs");
}

/** Of an enlarger: above it the pictures are noise in the colours of the small one. */
const GOOD_BITS = 3.6;

/** Of a model of the user's own, its name. @param {Model} model */
export function kindOf({ name, data }) {
  return KINDS.find(([pattern]) => pattern.test(data))?.[1] ?? name;
}

/** What it is by its network. @param {Model} model */
export function networkOf({ title, small_width: hasStages, members, labels }) {
  const scales = hasStages ? "Multi-Scale " : "";
  const orders = members.length > 1 ? ` ${t("in {count} orientations", { count: members.length })}` : "";
  return scales + title + orders + (labels.length ? ` ${t("with labels")}` : "");
}

/** What tells it from others of its kind. @param {Model} model */
export function titleOf(model) {
  const kind = kindOf(model);
  return kind === model.name ? kind : `${kind} · ${networkOf(model)}`;
}

/** Whether its large pictures are more than a mosaic of the small one; nobody knows of one that was never measured. @param {Model} model */
export function canEnlarge({ can, test_bits_per_dim: bits }) {
  return can.includes("upsample") && (bits === null || bits < GOOD_BITS);
}

/** @param {Model} model where its word stands among others: black and white before colours, then as in the list */
export function rankOf(model) {
  const place = KINDS.findIndex(([, word]) => word === kindOf(model));
  return (model.values > 2 ? 100 : 0) + (place < 0 ? KINDS.length : place);
}
