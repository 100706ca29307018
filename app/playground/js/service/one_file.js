/**
 * Load models in the page that is one file: engine and weights are in the page, and
 * nothing is fetched.
 *
 * Only the bundle of that page imports this module, before main.js
 * (deploy/release/bundle_page.mjs).
 */

import { loadInWorker } from "../../../../engine/in_worker.js";
import { embeddedFile, embeddedPaths } from "../files.js";
import { setLoader } from "./browser_backend.js";

/**
 * Origin under which the engine looks for its files: a name that nobody can register
 * (RFC 2606) and no request goes to.
 */
const PLACE = "https://one-file.invalid/";
/** Path of the whole worker as one script. */
const WORKER = "engine/worker.js";

/** URL of that script, which all workers share; "" before the first one starts. */
let script = "";

setLoader(async ({ engine, model }) => {
  script ||= URL.createObjectURL(new Blob([embeddedFile(WORKER) ?? ""], { type: "text/javascript" }));
  const needed = embeddedPaths().filter((path) => path.startsWith(engine) || path.startsWith(model));
  const files = new Map(
    needed.map((path) => [PLACE + path, /** @type {Uint8Array<ArrayBuffer>} */ (embeddedFile(path))]),
  );
  return loadInWorker(PLACE + model, { script, files });
});
