/** Buttons that send a picture to other views of the page. */

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "../lang.js";
import { dataUrlOf } from "../pixels/raster.js";

/** @import {Shared} from "../types" */

/** View, kind of job that a model must do for it, and text of its button. */
const VIEWS = /** @type {const} */ ([
  ["complete", "complete", t("Complete it")],
  ["inspect", "score", t("Inspect it")],
]);

/**
 * A picture that can be sent to another view.
 *
 * @typedef {object} Result
 * @property {string} model - Name of the model that the other view chooses, if it can.
 * @property {() => ImageData | null} whole - Returns the picture;
 *     null until it is complete.
 * @property {() => void} onGo - Called before the other view is shown.
 * @property {(text: string) => void} onTrouble - Called with a sentence if it is incomplete.
 */

/**
 * Return buttons that send a picture to the views that can take it.
 *
 * Pressing one calls `result.onGo` and then opens the view with the picture; if the
 * picture is incomplete, it calls `result.onTrouble` with a sentence instead.
 *
 * @param {Shared} shared
 * @param {Result} result - The picture, its model, and the two functions that are called.
 * @param {string} here - Name of the view that shows it already. Default: none.
 * @returns {Node[]} New elements.
 */
export function destinationButtons(shared, result, here = "") {
  const go = (/** @type {string} */ view) => () => {
    const picture = result.whole();
    if (!picture) return result.onTrouble(t("It can be used when it is complete."));
    result.onGo();
    shared.onSend(view, dataUrlOf(picture), result.model);
  };
  const models = shared.models.value ?? [];
  return VIEWS.filter(([view, kind]) => view !== here && models.some(({ can }) => can.includes(kind))).map(
    ([view, , text]) => button(text, go(view)),
  );
}

/**
 * @param {string} text
 * @param {() => void} click
 */
function button(text, click) {
  return el("button", { type: "button", on: { click } }, icon("right"), text);
}
