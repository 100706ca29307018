/**
 * Where the page's other files are. This module stands in js/, as the bundle's files do (deploy/bundle_page.mjs): what is
 * relative to it holds for both.
 */

/** A picture or an archive that comes with the page. @param {string} name */
export function shipped(name) {
  return new URL(`../img/${name}`, import.meta.url).href;
}

/** The page's texts in another language. @param {string} language */
export function textsIn(language) {
  return new URL(`lang/${language}.json`, import.meta.url).href;
}
