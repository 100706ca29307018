/** Every result is an input: the views that a picture can go on to, and why not where it does not fit. */

import { el } from "./dom.js";
import { icon } from "./icons.js";
import { t } from "../lang.js";
import { dataUrlOf, smallSize } from "../pixels/raster.js";

/** @import {Kind, Model, Shared, Size} from "../types" */

const VIEWS = /** @type {const} */ ([
  ["complete", "complete", t("Complete it")],
  ["inspect", "score", t("Inspect it")],
]);

/**
 * @typedef {object} Result a picture of the page
 * @property {string} model which is chosen in the view that it goes to, if it can do it
 * @property {Size} size
 * @property {Size | null} small of its first stage
 * @property {(stage: "final" | "small") => ImageData | null} whole null until it is complete
 * @property {() => void} onGo called before the other view is shown
 * @property {(text: string) => void} onTrouble
 */

/** @param {Shared} shared @param {Result} result @param {string} here the view that has it already @returns {(Node | string)[]} */
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

/** Nothing where no model enlarges pictures of its colours. @param {Model[]} models @param {Result} result */
function whyNotLarger(models, { size, model: own }) {
  const channels = models.find(({ name }) => name === own)?.channels;
  const able = models.filter((one) => one.can.includes("upsample") && one.channels === channels);
  const taken = [...new Set(able.map((one) => inWords(smallSize(one))))].join(", ");
  const sizes = { taken, size: inWords(size) };
  const text = t("Pictures of {taken} pixels can be enlarged here; this one has {size}.", sizes);
  return able.length ? el("span", { class: "hint" }, text) : "";
}

/** @param {Size} size */
const inWords = ({ width, height }) => `${width} × ${height}`;

/** @param {string} text @param {() => void} click */
function button(text, click) {
  return el("button", { type: "button", on: { click } }, icon("right"), text);
}

/**
 * The model that takes the picture as its small one, or its first stage; its own one first.
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
