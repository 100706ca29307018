/**
 * Plots of the distribution that a model expected at a pixel: the probability of every
 * value, the true one marked.
 */

import { el } from "./dom.js";
import { formatFixed, t } from "../lang.js";
import { colourName, percent } from "../service/words.js";

/** @import {ColourBelief, Model} from "../types" */

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 256;
const HEIGHT = 96;
/** Space above the highest bar. */
const FLOOR = 4;

/** Kind and name of each colour. */
const COLOURS = [
  ["red", t("Red")],
  ["green", t("Green")],
  ["blue", t("Blue")],
];
const GREY = ["brightness", t("Brightness")];

/**
 * Return a figure for each colour of a pixel, or one for a pixel with a palette or in
 * grey.
 *
 * @param {ColourBelief[]} beliefs - Distribution of each colour, in the order of the
 *     model's channels.
 * @param {Model} model
 * @returns {HTMLElement[]} New elements, not yet in the page.
 */
export function beliefPlots(beliefs, model) {
  const names = beliefs.length === 1 ? [model.palette?.length ? ["", t("Colour")] : GREY] : COLOURS;
  return beliefs.map((belief, i) => beliefPlot(names[i][1], names[i][0], belief, model));
}

/**
 * Return the figure of one colour.
 *
 * @param {string} name - Name of the colour, as the reader sees it.
 * @param {string} kind - "brightness", "red", "green", "blue" or "".
 * @param {ColourBelief} belief
 * @param {Model} model
 */
function beliefPlot(name, kind, belief, model) {
  const { probabilities, value, entropy_bits: entropy, bits } = belief;
  const likeliest = probabilities.indexOf(Math.max(...probabilities));
  const [itWas, itsBest] = [value, likeliest].map((which) => valueName(which, model));
  const [share, most] = [value, likeliest].map((which) => percent(probabilities[which]));
  const fact = t("It was {value} ({share}, {bits} bits)", { value: itWas, share, bits: formatFixed(bits, 2) });
  // The likeliest value is named only if another one came.
  const rival =
    value === likeliest ? t(", the likeliest.") : t(". Likeliest: {best} ({most}).", { best: itsBest, most });
  const facts = fact + rival;
  const unsure = t("unsure by {bits} bits", { bits: formatFixed(entropy, 2) });
  const figure = el("figure", { class: "belief", "data-colour": kind });
  figure.append(
    el("figcaption", {}, el("strong", {}, name), el("span", {}, unsure), el("span", {}, facts)),
    drawing(belief, `${name}: ${unsure}. ${facts}`, model),
    model.palette?.length ? "" : axis(value, model),
  );
  return figure;
}

/**
 * Return the name of a value: a colour of the palette, black or white, or a number.
 *
 * @param {number} value
 * @param {Model} model
 */
function valueName(value, model) {
  if (model.palette?.length) return colourName(model, value);
  return model.values === 2 ? [t("black"), t("white")][value] : String(value);
}

/**
 * Return the bars as an SVG element.
 *
 * @param {ColourBelief} belief
 * @param {string} label
 * @param {Model} model
 */
function drawing({ probabilities, value }, label, { palette }) {
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  plot.setAttribute("preserveAspectRatio", "none");
  const highest = Math.max(...probabilities);
  const step = WIDTH / probabilities.length;
  // Wide bars have a gap between them; 256 narrow ones would be hidden by it.
  const gap = step > 8 ? 0.12 * step : 0;
  const bars = probabilities.map((probability, i) => {
    const height = (probability / highest) * (HEIGHT - FLOOR);
    return `M${i * step + gap} ${HEIGHT}v${-height}h${step - 2 * gap}v${height}z`;
  });
  const middle = (value + 0.5) * step;
  plot.append(
    ...(palette?.length
      ? bars.map((d, i) => svg("path", { d, fill: palette[i], stroke: "gray", "vector-effect": "non-scaling-stroke" }))
      : [svg("path", { d: bars.join(""), class: "bars" }), svg("path", { d: bars[value], class: "true" })]),
    svg("line", { x1: middle, x2: middle, y1: 0, y2: HEIGHT, class: "true-line" }),
  );
  return plot;
}

/**
 * Return the axis: both ends, and the true value at its place.
 *
 * @param {number} value
 * @param {Model} model
 */
function axis(value, model) {
  const last = model.values - 1;
  const marks = last === 1 ? [0, 1] : [0, value, last];
  const line = el("div", { class: last === 1 ? "axis two" : "axis" });
  for (const [i, mark] of marks.entries()) {
    const isTrue = mark === value && (last === 1 || i === 1);
    const label = el("span", isTrue ? { class: "true-value" } : {}, valueName(mark, model));
    const share = value / last;
    label.hidden = last > 1 && ((i === 0 && share < 0.1) || (i === 2 && share > 0.9));
    if (last > 1 && i === 1) label.style.left = `${100 * Math.min(0.97, Math.max(0.03, share))}%`;
    line.append(label);
  }
  return line;
}

/**
 * Return a new SVG element.
 *
 * @param {string} tag - Name of the element.
 * @param {Record<string, string | number>} attributes - Names and values of its
 *     attributes.
 * @returns {SVGElement}
 */
export function svg(tag, attributes) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
