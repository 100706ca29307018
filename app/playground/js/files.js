/**
 * Addresses and contents of the page's other files.
 *
 * This module lies in js/, as the bundle's files do (deploy/release/bundle_page.mjs), so
 * relative addresses are the same for both. A page that is one file (`pixelrnn export
 * --one-file`) contains its other files in elements of its own, in base64.
 */

/** Selector of the elements that contain a file; `data-file` is its path. */
const EMBEDDED = "script[data-file]";

/**
 * Return the paths of all files that the page contains; an empty list unless the page
 * is one file.
 */
export function embeddedPaths() {
  const elements = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(EMBEDDED));
  return Array.from(elements, ({ dataset }) => dataset.file ?? "");
}

/**
 * Return the element that contains a file, or null.
 *
 * @param {string} path
 */
function elementOf(path) {
  return /** @type {HTMLScriptElement | null} */ (
    document.querySelector(`${EMBEDDED}[data-file="${CSS.escape(path)}"]`)
  );
}

/**
 * Return the content of a file that the page contains.
 *
 * @param {string} path - Path relative to the page's folder, such as "img/digits.png".
 * @returns {Uint8Array<ArrayBuffer> | null} The bytes; null if the page does not
 *     contain the file.
 */
export function embeddedFile(path) {
  const base64 = elementOf(path)?.text;
  return base64 === undefined ? null : Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/**
 * Return the value of a JSON file that the page contains.
 *
 * @param {string} path - Path relative to the page's folder.
 * @returns {any} The parsed value; null if the page does not contain the file.
 * @throws {SyntaxError} if the file is not JSON.
 */
export function embeddedJson(path) {
  const bytes = embeddedFile(path);
  return bytes && JSON.parse(new TextDecoder().decode(bytes));
}

/**
 * Return the address of a picture or archive of the page's folder img/. It is a data
 * URL if the page contains the file.
 *
 * @param {string} name - File name.
 */
export function assetUrl(name) {
  const element = elementOf(`img/${name}`);
  return element ? `data:${element.type};base64,${element.text}` : new URL(`../img/${name}`, import.meta.url).href;
}

/**
 * Return the page's texts in another language: English text -> translation.
 *
 * @param {string} language - Two letters, such as "de".
 * @returns {Promise<Record<string, string>>} An empty object if the file cannot be
 *     fetched.
 * @throws {SyntaxError} if the file is not JSON.
 */
export async function textsIn(language) {
  const own = embeddedJson(`lang/${language}.json`);
  if (own) return own;
  const answer = await fetch(new URL(`lang/${language}.json`, import.meta.url)).catch(() => null);
  return answer?.ok ? answer.json() : {};
}
