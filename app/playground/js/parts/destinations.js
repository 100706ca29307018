/** Buttons that send a picture to other views of the page. */

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "../lang.js";
import { dataUrlOf, smallSize } from "../pixels/raster.js";

/** @import {Kind, Model, Shared, Size} from "../types" */

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
 * @property {Size} size - Size in pixels.
 * @property {Size | null} small - Size of its first stage, of a Multi-Scale model.
 * @property {(stage: "final" | "small") => ImageData | null} whole - Returns the picture;
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
 * @param {Shared} shared - State and services of the page.
 * @param {Result} result - The picture, its model and size, and the two functions that
 *     are called.
 * @param {string} here - Name of the view that shows it already. Default: none.
 * @returns {(Node | string)[]} New elements; instead of the button "Upsample it", a
 *     sentence that names the sizes that can be enlarged, or "".
 */
export function destinationButtons(shared, result, here = "") {
  /** @param {string} view @param {"final" | "small"} stage @param {string} model */
  const go = (view, stage, model) => () => {
    const picture = result.whole(stage);
    if (!picture) return result.onTrouble(t("It can be used when it is complete."));
    result.onGo();
    shared.onSend(view, dataUrlOf(picture), model);
  };
  const models = shared.models.value ?? [];
  const buttons = VIEWS.filter(([view, kind]) => view !== here && models.some(({ can }) => can.includes(kind))).map(
    ([view, , text]) => button(text, go(view, "final", result.model)),
  );
  const found = enlargerOf(models, result);
  const text = found?.stage === "small" ? t("Upsample its first stage") : t("Upsample it");
  if (found) return [...buttons, button(text, go("upsample", found.stage, found.model))];
  return [...buttons, whyNotLarger(models, result)];
}

/**
 * Return a sentence that says which sizes can be enlarged; "" if no model enlarges
 * pictures of these colours.
 *
 * @param {Model[]} models
 * @param {Result} result
 */
function whyNotLarger(models, { size, model: own }) {
  const channels = models.find(({ name }) => name === own)?.channels;
  const able = models.filter((one) => one.can.includes("upsample") && one.channels === channels);
  const taken = [...new Set(able.map((one) => inWords(smallSize(one))))].join(", ");
  const sizes = { taken, size: inWords(size) };
  const text = t("Pictures of {taken} pixels can be enlarged here; this one has {size}.", sizes);
  return able.length ? el("span", { class: "hint" }, text) : "";
}

/**
 * Return a size in words.
 *
 * @param {Size} size
 */
const inWords = ({ width, height }) => `${width} × ${height}`;

/**
 * Return a button with an arrow.
 *
 * @param {string} text
 * @param {() => void} click
 */
function button(text, click) {
  return el("button", { type: "button", on: { click } }, icon("right"), text);
}

/**
 * Return the model that can enlarge a picture or its first stage, preferring the
 * picture's own model; null if there is none.
 *
 * @param {Model[]} models
 * @param {Result} result
 */
function enlargerOf(models, { size, small, model: own }) {
  const able = models.filter(({ can }) => can.includes("upsample"));
  able.sort((a, b) => Number(b.name === own) - Number(a.name === own));
  for (const [stage, given] of /** @type {const} */ ([
    ["final", size],
    ["small", small],
  ])) {
    const isFit = (/** @type {Size} */ taken) => taken.width === given?.width && taken.height === given.height;
    const model = able.find((one) => isFit(smallSize(one)));
    if (model) return { model: model.name, stage };
  }
  return null;
}
