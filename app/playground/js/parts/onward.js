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

/** @param {Shared} shared @param {Result} result @param {string} here the view that has it already @returns {Node[]} */
export function onward(shared, result, here = "") {
  /** @param {string} view @param {"final" | "small"} stage @param {string} model */
  const go = (view, stage, model) => () => {
    const picture = result.whole(stage);
    if (!picture) return result.onTrouble(t("It can be used when it is complete."));
    result.onGo();
    shared.onSend(view, dataUrlOf(picture), model);
  };
  const models = shared.models.value ?? [];
  const buttons = VIEWS.filter(
    ([view, kind]) =>
      view !== here && (view === "inspect" || shared.api.hasService) && models.some(({ can }) => can.includes(kind)),
  ).map(([view, , text]) => button(text, go(view, "final", result.model)));
  if (!models.some(({ channels, can }) => can.includes("upsample") && channels === channelsOf(models, result)))
    return buttons;
  const { model, stage, reason } = enlargerOf(models, result);
  const text = stage === "small" ? t("Upsample its first stage") : t("Upsample it");
  const enlarge = button(text, model ? go("upsample", stage, model.name) : null);
  return [...buttons, enlarge, ...(reason ? [el("span", { class: "hint" }, reason)] : [])];
}

/** Black and white is never enlarged to colours: nothing is said of it. @param {Model[]} models @param {Result} result */
function channelsOf(models, { model }) {
  return models.find(({ name }) => name === model)?.channels;
}

/** @param {string} text @param {(() => void) | null} act null = it cannot be pressed */
function button(text, act) {
  return el("button", { type: "button", disabled: !act, on: act ? { click: act } : {} }, icon("right"), text);
}

/**
 * The model that takes the picture as its small one, or its first stage; its own one first.
 *
 * @param {Model[]} models
 * @param {Result} result
 * @returns {{model: Model | null, stage: "final" | "small", reason: string}}
 */
function enlargerOf(models, { size, small, model: own }) {
  const able = models
    .filter(({ can }) => can.includes("upsample"))
    .sort((a, b) => Number(b.name === own) - Number(a.name === own));
  if (!able.length)
    return { model: null, stage: "final", reason: t("No model here makes large pictures of small ones.") };
  for (const [stage, given] of /** @type {const} */ ([
    ["final", size],
    ["small", small],
  ])) {
    const model = able.find((one) => given && inWords(smallSize(one)) === inWords(given));
    if (model) return { model, stage, reason: "" };
  }
  const taken = [...new Set(able.map((one) => inWords(smallSize(one))))].join(", ");
  const reason = t("It cannot be upsampled here: it has {size} pixels, and {taken} are taken.", {
    size: inWords(size),
    taken,
  });
  return { model: null, stage: "final", reason };
}

/** @param {Size} size */
function inWords({ width, height }) {
  return `${width} × ${height}`;
}
