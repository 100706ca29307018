/**
 * The page in the reader's language.
 *
 * English texts stand where they are used and are the keys of the translations in
 * lang/.
 */

import { textsIn } from "./files.js";
import { lasting } from "./storage.js";

const LANGUAGES = /** @type {Record<string, string>} */ ({ en: "English", de: "Deutsch" });
/** Key of the chosen language in the browser's storage. */
const KEY = "pixelrnn.language";
/** Attributes that are translated. */
const SPOKEN = ["aria-label", "title", "placeholder"];

/** Code of the page's language, two letters. */
export const language = chooseLanguage();
/** @type {Record<string, string>} */
// Without the file of its language the page is in English.
const texts = language === "en" ? {} : await textsIn(language);

/**
 * Return the language that was chosen on this page before, else the first of the
 * browser's that there is, else English.
 */
function chooseLanguage() {
  const wanted = [lasting.get(KEY) ?? "", ...navigator.languages].map((name) => name.slice(0, 2));
  return wanted.find((name) => name in LANGUAGES) ?? "en";
}

/**
 * Return a text in the reader's language.
 *
 * @param {string} english - The English text, which is the key; without a translation
 *     it is returned itself.
 * @param {Record<string, string | number>} [values] - Values that replace {names} in
 *     the text; an unknown name stays as it is.
 */
export function t(english, values = {}) {
  const text = texts[english] ?? english;
  return text.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/**
 * Return a number as the reader's language writes it.
 *
 * @param {number} number
 * @param {Intl.NumberFormatOptions} [options] - Options of `toLocaleString`.
 */
export function formatNumber(number, options) {
  return number.toLocaleString(language, options);
}

/**
 * Return a number as the reader's language writes it, rounded to a fixed number of
 * decimals and without separators of thousands.
 *
 * @param {number} number
 * @param {number} digits - Number of decimals.
 */
export function formatFixed(number, digits) {
  return formatNumber(number, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: false });
}

/**
 * Translate all texts of index.html, its templates too, and set the document's
 * language. Changes the document.
 */
export function translatePage() {
  document.documentElement.lang = language;
  if (language === "en") return;
  for (const root of [document.head, document.body]) translate(root);
}

/**
 * Translate all texts and attributes below a node.
 *
 * @param {Node} root
 */
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

/**
 * Return a translated text with the white space that stood around it.
 *
 * @param {string} text
 */
function translateText(text) {
  const english = text.trim().replace(/\s+/g, " ");
  return english in texts ? text.replace(/\S[^]*\S|\S/, texts[english]) : text;
}

/**
 * Fill a select element with the page's languages. Choosing one keeps it in the browser
 * and reloads the page.
 *
 * @param {HTMLSelectElement} select - An empty select element.
 */
export function offerLanguages(select) {
  for (const [name, title] of Object.entries(LANGUAGES)) select.add(new Option(title, name, false, name === language));
  select.addEventListener("change", () => {
    lasting.set(KEY, select.value);
    location.reload();
  });
}
