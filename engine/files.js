/**
 * Read files of a model or of the JavaScript engine over HTTP or from disk, unpack gzip, and
 * verify sha256 digests.
 */

import { sha256 } from "./sha256.js";

/**
 * An error of the JavaScript engine whose message is a sentence for the user: what was wrong, and
 * what was expected.
 *
 * It is raised for invalid options and pictures, for files that cannot be read or are
 * damaged, for too little memory, for a machine without SIMD, and for calls to a worker
 * that has ended. An address that cannot be parsed raises TypeError instead.
 */
export class EngineError extends Error {
  name = "EngineError";
}

/** URL -> content of files that need not be fetched. @type {Map<string, Uint8Array<ArrayBuffer>>} */
const embedded = new Map();

/**
 * Add files to those that `read` returns without a request, for the lifetime of this
 * page or worker.
 *
 * A page that was opened from disk contains its files, because such a page cannot
 * fetch.
 *
 * @param {Map<string, Uint8Array<ArrayBuffer>>} files - Content of each file by its
 *     absolute URL. A file with the same URL is replaced.
 */
export function embed(files) {
  for (const [url, bytes] of files) embedded.set(url, bytes);
}

/**
 * Return the content of a file: from the embedded files, from disk (`file:` in Node),
 * or by an HTTP request.
 *
 * @param {URL} url - Absolute URL.
 * @returns {Promise<Uint8Array<ArrayBuffer>>} The bytes. Embedded bytes are shared and
 *     must not be changed.
 * @throws {EngineError} if the file cannot be read or the server answers with an error
 *     status.
 */
export async function read(url) {
  const own = embedded.get(url.href);
  if (own) return own;
  if (url.protocol === "file:") {
    // A variable keeps bundlers from resolving this import, which only Node needs.
    const fs = /** @type {string} */ ("node:fs/promises");
    const { readFile } = await import(fs);
    return readFile(url).then(
      (/** @type {Uint8Array} */ bytes) => new Uint8Array(bytes),
      (/** @type {any} */ error) => Promise.reject(new EngineError(`cannot read ${url}: ${error.code ?? error}`)),
    );
  }
  const refuse = (/** @type {Error} */ error) =>
    Promise.reject(new EngineError(`cannot read ${url}: ${error.message}`));
  const answer = await fetch(url).catch(refuse);
  if (!answer.ok) throw new EngineError(`cannot read ${url}: the server answered ${answer.status}`);
  // The connection may also break while the content arrives.
  return new Uint8Array(await answer.arrayBuffer().catch(refuse));
}

/**
 * Read a file of JSON and return its value.
 *
 * @param {URL} url - Absolute URL.
 * @returns {Promise<any>}
 * @throws {EngineError} if the file cannot be read or is not JSON.
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
 * Read a file, unpack it if it is compressed with gzip, and compare its sha256.
 *
 * Some servers unpack gzip themselves, so the content decides, not the name.
 *
 * @param {URL} url - Absolute URL.
 * @param {string} digest - Expected sha256 of the unpacked content, 64 hexadecimal
 *     digits.
 * @returns {Promise<Uint8Array<ArrayBuffer>>} The unpacked bytes.
 * @throws {EngineError} if the file cannot be read or unpacked, or if the digest
 *     differs.
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
 * Return bytes without gzip. Raise EngineError if they are damaged.
 *
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
