/** What can become of a picture that is drawn on: known before the code of the pad is there. */

import { t } from "../lang.js";
import { canEnlarge } from "./kinds.js";

/** @import {View} from "../types" */

/**
 * What becomes of the picture. usual: how many images at first, and at what temperature, because at 1 what is drawn
 * between given pixels is restless.
 *
 * @typedef {Omit<View, "make"> & {verb?: string, usual?: [number, number]}} DrawMode
 */

/** @type {DrawMode} */
export const BEGIN = {
  place: "ink",
  title: t("Begin one yourself"),
  lead: t(
    "Draw anywhere, above or below: what you paint is given, and all else is unknown. The fog is what the network expects there. When you lift the pen it draws four endings.",
  ),
};
/** @type {DrawMode} */
export const COMPLETE = {
  place: "complete",
  title: t("Complete a picture"),
  lead: t("Make a part of a picture unknown, and see how the model would fill it."),
  empty: t("The completions appear here beside the original, the likeliest first."),
  verb: t("Fill the hole"),
};
/** @type {DrawMode} */
export const ENLARGE = {
  place: "upsample",
  needsService: true,
  title: t("Enlarge a doodle"),
  lead: t("Paint a small picture, and the network makes large ones of it."),
  empty: t("The large images appear here: the small picture shines through until its rows are drawn."),
  isOffered: (models) => models.some(canEnlarge),
  verb: t("Enlarge"),
  usual: [4, 0.7],
};

export const DRAW_MODES = [BEGIN, COMPLETE, ENLARGE];
