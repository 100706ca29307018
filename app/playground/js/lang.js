/** The page in the reader's language. English stands where it is used; each file of lang/ has one other language. */

import { textsIn } from "./files.js";
import { lasting } from "./storage.js";

const LANGUAGES = /** @type {Record<string, string>} */ ({ en: "English", de: "Deutsch" });
const KEY = "pixelrnn.language";
const SPOKEN = ["aria-label", "title", "placeholder"];

export const language = chooseLanguage();
/** @type {Record<string, string>} */
const texts = language === "en" ? {} : await textsIn(language); // without its file the page speaks English

/** The one that was chosen here, else the first of the browser's that there is. */
function chooseLanguage() {
  const wanted = [lasting.get(KEY) ?? "", ...navigator.languages].map((name) => name.slice(0, 2));
  return wanted.find((name) => name in LANGUAGES) ?? "en";
}

/**
 * A text in the reader's language, with {names} replaced by values.
 *
 * @param {string} english
 * @param {Record<string, string | number>} [values]
 */
export function t(english, values = {}) {
  const text = texts[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {number} number @param {Intl.NumberFormatOptions} [options] */
export function formatNumber(number, options) {
  return number.toLocaleString(language, options);
}

/** With this many digits behind the point. @param {number} number @param {number} digits */
export function formatFixed(number, digits) {
  return formatNumber(number, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
}

/** All that stands in the page itself, its templates too. */
export function translatePage() {
  document.documentElement.lang = language;
  if (language === "en") return;
  for (const root of [document.head, document.body]) translate(root);
}

/** @param {Node} root */
function translate(root) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_ELEMENT | NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    if (node instanceof Text) node.data = translateText(node.data);
    if (!(node instanceof Element)) continue;
    if (node instanceof HTMLTemplateElement) translate(node.content);
    for (const name of SPOKEN) {
      const text = node.getAttribute(name);
      if (text) node.setAttribute(name, translateText(text));
    }
  }
}

/** As `t`, whatever white space stands around and in it. @param {string} text */
function translateText(text) {
  const english = text.trim().replace(/\s+/g, " ");
  return english in texts ? text.replace(/\S[^]*\S|\S/, texts[english]) : text;
}

/** The way to the other languages: a list, beside each other. @param {HTMLSelectElement} select */
export function offerLanguages(select) {
  for (const [name, title] of Object.entries(LANGUAGES)) select.add(new Option(title, name, false, name === language));
  select.addEventListener("change", () => {
    lasting.set(KEY, select.value);
    location.reload();
  });
}
