/** What the games share: the set of the day, the set of an address, and results as text. */

import { announce, find } from "./dom.js";
import { t } from "../lang.js";
import { friendlySeed } from "../service/requests.js";

/** @import {Model, Shared} from "../types" */

/**
 * The result of a set.
 *
 * @typedef {object} Result
 * @property {Model} model - Model that drew the set.
 * @property {number} seed - Seed of the set.
 * @property {Record<string, string>} facts - Further fields of the link to it.
 * @property {boolean[]} marks - For each answer, whether it was good.
 * @property {string} words - The result in words.
 */

/**
 * Let the controls of a game work: the link to the set of the day, which is the same for
 * everybody, and the buttons for another set and for the result as text.
 *
 * @param {HTMLElement} element - Section with [data-act=today], [data-act=again] and
 *     [data-act=result].
 * @param {Shared} shared
 * @param {string} place - Name of the game in addresses.
 * @param {string} daily - Further part of the address of the day's set.
 * @param {() => Result | null} resultOf - Returns the present result.
 */
export function offerSets(element, shared, place, daily, resultOf) {
  const today = find(element, "[data-act=today]");
  const setToday = () => (today.href = `#${place}/seed=${todaysSeed()}${daily}`);
  setToday();
  // The page may have been opened yesterday.
  today.addEventListener("click", setToday);
  find(element, "[data-act=again]").addEventListener("click", () => {
    const query = new URLSearchParams({ seed: String(friendlySeed()), model: resultOf()?.model.name ?? "" });
    // The address names the new set, so that the link to today's leads back to it.
    shared.onJob(String(query));
  });
  const copy = find(element, "[data-act=result]");
  copy.addEventListener("click", async () => {
    const result = resultOf();
    if (!result) return;
    const text = textOf(result, place, shared.api.hasService && !shared.api.hasKey);
    try {
      await navigator.clipboard.writeText(text);
      copy.textContent = t("Copied.");
      announce(t("Copied."));
    } catch {
      // The person can copy the text from the page then.
      find(element, ".standing").textContent = text;
    }
  });
}

/**
 * Return a result as text, with squares and a link to the same set.
 *
 * @param {Result} result
 * @param {string} place
 * @param {boolean} hasPreview - Whether the service has a page with a preview for the link.
 */
function textOf({ model, seed, facts, marks, words }, place, hasPreview) {
  const { job, ...lasting } = facts;
  const shown = { model: model.name, seed: String(seed), ...lasting };
  const query = new URLSearchParams(hasPreview && job ? { ...shown, job } : shown);
  const link = hasPreview ? `s/${place}?${query}` : `#${place}/${query}`;
  const squares = marks.map((isGood) => (isGood ? "🟩" : "🟥")).join("");
  return [`pixelrnn ${dayOf(seed)}`.trim(), squares, words, new URL(link, location.href).href].join("\n");
}

/**
 * Return the set that an address names.
 *
 * @param {string} place - Query of the address; "" for none.
 * @param {Model | null} model - Model that will draw it.
 * @param {string} field - Name of the friend's result in the query.
 * @returns {{seed: number, friend: number | null}} Seed, a random one if none is named,
 *     and the result of the friend who sent the link; null without one.
 */
export function setOf(place, model, field) {
  const query = new URLSearchParams(place);
  const seed = Number(query.get("seed") ?? NaN);
  const friend = Number(query.get(field) ?? NaN);
  // The friend's result is of pictures of the friend's model, which may not be here.
  const isTheirs = !query.has("model") || query.get("model") === model?.name;
  return {
    seed: Number.isSafeInteger(seed) ? seed : friendlySeed(),
    friend: isTheirs && Number.isFinite(friend) ? friend : null,
  };
}

/**
 * Return the model that an address names; undefined if it is not here.
 *
 * @param {string} place
 * @param {Model[]} models
 */
export function modelNamedIn(place, models) {
  const wanted = new URLSearchParams(place).get("model");
  return models.find(({ name }) => name === wanted);
}

/** Return the seed of today's sets, such as 20160119. */
function todaysSeed() {
  // This locale writes 2016-01-19.
  return new Date().toLocaleDateString("sv").replaceAll("-", "");
}

/**
 * Return the day of a seed that is a date, such as 20160119; "" for other seeds.
 *
 * @param {number} seed
 */
function dayOf(seed) {
  const [whole, year, month, day] = /^(20\d\d)([01]\d)([0-3]\d)$/.exec(String(seed)) ?? [];
  return whole ? `${year}-${month}-${day}` : "";
}
