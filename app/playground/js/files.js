/**
 * Where the page's other files are. This module stands in js/, as the bundle's files do (deploy/bundle_page.mjs): what is
 * relative to it holds for both. A page that is one file (`pixelrnn export --one-file`) has them in elements of its own.
 */

/** Elements with the files of a page that is one file: its paths, and base64 as text. */
const EMBEDDED = "script[data-file]";

/** The paths of the files that stand in the page itself. */
export function embeddedPaths() {
  const elements = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(EMBEDDED));
  return Array.from(elements, ({ dataset }) => dataset.file ?? "");
}

/** The element with a file; null if it does not stand in the page. @param {string} path */
function elementOf(path) {
  return /** @type {HTMLScriptElement | null} */ (
    document.querySelector(`${EMBEDDED}[data-file="${CSS.escape(path)}"]`)
  );
}

/** A file that stands in the page; null if it does not. @param {string} path */
export function embeddedFile(path) {
  const base64 = elementOf(path)?.text;
  return base64 === undefined ? null : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** The same of a file in JSON. @param {string} path */
export function embeddedJson(path) {
  const bytes = embeddedFile(path);
  return bytes && JSON.parse(new TextDecoder().decode(bytes));
}

/** A picture or an archive that comes with the page. @param {string} name */
export function assetUrl(name) {
  const element = elementOf(`img/${name}`);
  return element ? `data:${element.type};base64,${element.text}` : new URL(`../img/${name}`, import.meta.url).href;
}

/** The page's texts in another language; none if they cannot be read. @param {string} language @returns {Promise<Record<string, string>>} */
export async function textsIn(language) {
  const own = embeddedJson(`lang/${language}.json`);
  if (own) return own;
  const answer = await fetch(new URL(`lang/${language}.json`, import.meta.url)).catch(() => null);
  return answer?.ok ? answer.json() : {};
}
