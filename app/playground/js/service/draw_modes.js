/**
 * The two uses of the pad: declared apart from its code, which is fetched only when
 * the view is opened.
 */

import { t } from "../lang.js";

/** @import {View} from "../types" */

/**
 * One use of the pad. verb: text of the form's button.
 *
 * @typedef {Omit<View, "make"> & {verb?: string}} DrawMode
 */

/**
 * Paint, and see at once how the network would go on.
 *
 * @type {DrawMode}
 */
export const BEGIN = {
  place: "ink",
  title: t("Begin one yourself"),
  lead: t(
    "Draw anywhere, above or below: what you paint is given, and all else is unknown. The fog is what the network expects there. When you lift the pen it draws four endings.",
  ),
};
/**
 * Make a hole in a picture and let it be filled.
 *
 * @type {DrawMode}
 */
export const COMPLETE = {
  place: "complete",
  title: t("Complete a picture"),
  lead: t("Make a part of a picture unknown, and see how the model would fill it."),
  empty: t("The completions appear here beside the original, the likeliest first."),
  verb: t("Fill the hole"),
};
export const DRAW_MODES = [BEGIN, COMPLETE];
