/**
 * A picture that is an address: image 0 of the seed that a name hashes to.
 * worker/contract/addresses.py has the same rules.
 */

/** @import {Draw, Portable, SampleOptions} from "./types" */

import { EngineError } from "./files.js";
import { sha256 } from "./sha256.js";

const MAX_NAME = 200;

/**
 * Draw the picture of a name: the pixels of /p/MODEL/NAME.png of a service.
 *
 * @param {Pick<Portable, "sample">} model
 * @param {string} name - 1 to 200 characters after NFC, no `/`, `\` or control
 *     character.
 * @param {Pick<SampleOptions, "label" | "temperature" | "onRow" | "signal">} [options]
 * @returns {Promise<Draw>}
 * @throws {EngineError} if the name or an option is invalid, and the signal's reason if
 *     `signal` is aborted.
 */
export async function drawAddressed(model, name, options) {
  const seed = await seedOf(name);
  const [image] = await model.sample({ weighed: false, ...options, seed });
  return image;
}

/**
 * Return the seed of a name: the first 53 bits of SHA-256 of its NFC in UTF-8.
 *
 * @param {string} name
 * @throws {EngineError} if no address has the name.
 */
export async function seedOf(name) {
  const normalised = name.normalize("NFC");
  const { length } = [...normalised];
  // Cs: halves of surrogate pairs, which UTF-8 cannot encode.
  if (!length || length > MAX_NAME || /[/\\\p{Cc}\p{Cs}]/u.test(normalised)) {
    throw new EngineError(
      `name: expected 1 to ${MAX_NAME} characters without / and \\, without control characters and without unpaired surrogates`,
    );
  }
  const digest = await sha256(new TextEncoder().encode(normalised));
  return Number(BigInt(`0x${digest.slice(0, 16)}`) >> 11n);
}
