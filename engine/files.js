/** Files as they lie beside a page or on a disk: read, unpacked, and held to their digest. */

import { sha256 } from "./sha256.js";

/** Something that the engine was given cannot be used; the message says what was expected. */
export class EngineError extends Error {
  name = "EngineError";
}

/** Files that came with the code, by their URL: nothing is fetched of them. @type {Map<string, Uint8Array<ArrayBuffer>>} */
const embedded = new Map();

/**
 * Have files at hand that a page brought along, so that nobody fetches them.
 *
 * @param {Map<string, Uint8Array<ArrayBuffer>>} files - by their URL
 */
export function embed(files) {
  for (const [url, bytes] of files) embedded.set(url, bytes);
}

/**
 * @param {URL} url
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function read(url) {
  const own = embedded.get(url.href);
  if (own) return own;
  if (url.protocol === "file:") {
    const fs = /** @type {string} */ ("node:fs/promises"); // a page never asks for it
    const { readFile } = await import(fs);
    return readFile(url).then(
      (/** @type {Uint8Array} */ bytes) => new Uint8Array(bytes),
      (/** @type {any} */ error) => Promise.reject(new EngineError(`cannot read ${url}: ${error.code ?? error}`)),
    );
  }
  const answer = await fetch(url).catch((error) =>
    Promise.reject(new EngineError(`cannot read ${url}: ${error.message}`)),
  );
  if (!answer.ok) throw new EngineError(`cannot read ${url}: the server answered ${answer.status}`);
  return new Uint8Array(await answer.arrayBuffer());
}

/**
 * @param {URL} url
 * @returns {Promise<any>}
 */
export async function readJson(url) {
  const bytes = await read(url);
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new EngineError(`${url} is not JSON`);
  }
}

/**
 * A file's content, without gzip; some servers take that off on the way.
 *
 * @param {URL} url
 * @param {string} digest - sha256 of the content
 */
export async function readVerified(url, digest) {
  const bytes = await read(url);
  const content = bytes[0] === 0x1f && bytes[1] === 0x8b ? await unzipped(bytes, url) : bytes;
  const found = await sha256(content);
  if (found !== digest) {
    throw new EngineError(
      `${url} is damaged: its sha256 is ${found.slice(0, 12)}..., expected ${digest.slice(0, 12)}...`,
    );
  }
  return content;
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {URL} url
 */
async function unzipped(bytes, url) {
  try {
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch {
    throw new EngineError(`${url} is damaged: it cannot be unpacked`);
  }
}
