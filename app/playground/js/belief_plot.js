/** What the model expected of one colour of a pixel, as a plot: the probability of every value, the true one marked. */

import { el } from "./dom.js";

/** @import {ColourBelief} from "./types" */

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 256;
const HEIGHT = 96;
const FLOOR = 4;

/**
 * @param {string} name of the colour
 * @param {ColourBelief} belief
 */
export function beliefPlot(name, belief) {
  const { probabilities, value, entropy_bits: entropy, bits } = belief;
  const share = probabilities[value];
  const was = probabilities.length === 2 ? ["black", "white"][value] : `value ${value}`;
  const facts = `Entropy ${entropy.toFixed(2)} bits. It was ${was}: ${percent(share)}, ${bits.toFixed(2)} bits.`;
  const figure = el("figure", { class: "belief", "data-colour": name.toLowerCase() });
  figure.append(
    el("figcaption", {}, el("strong", {}, name), el("span", {}, facts)),
    drawing(probabilities, value, `${name}: ${facts}`),
    axis(probabilities),
  );
  return figure;
}

/** @param {number[]} probabilities @param {number} value @param {string} label */
function drawing(probabilities, value, label) {
  const plot = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label });
  plot.setAttribute("preserveAspectRatio", "none");
  const highest = Math.max(...probabilities);
  const step = WIDTH / probabilities.length;
  const gap = step > 8 ? 0.12 * step : 0;
  probabilities.forEach((probability, i) => {
    const height = (probability / highest) * (HEIGHT - FLOOR);
    const box = { x: i * step + gap, y: HEIGHT - height, width: step - 2 * gap, height };
    plot.append(svg("rect", { ...box, class: i === value ? "bar true" : "bar" }));
  });
  const middle = (value + 0.5) * step;
  plot.append(svg("line", { x1: middle, x2: middle, y1: 0, y2: HEIGHT, class: "true-line" }));
  return plot;
}

/** @param {number[]} probabilities */
function axis(probabilities) {
  if (probabilities.length === 2) {
    const [black, white] = probabilities.map(percent);
    return el("div", { class: "axis two" }, el("span", {}, `black ${black}`), el("span", {}, `white ${white}`));
  }
  const last = probabilities.length - 1;
  const marks = [0, Math.round(last / 2), last].map((mark) => el("span", {}, String(mark)));
  return el("div", { class: "axis" }, ...marks);
}

/** @param {number} share */
function percent(share) {
  const of100 = 100 * share;
  if (of100 < 0.01) return "under 0.01%";
  return `${of100 >= 1 ? of100.toFixed(1) : of100.toPrecision(2)}%`;
}

/** @param {string} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  return node;
}
