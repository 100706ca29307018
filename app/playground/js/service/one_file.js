/**
 * The page as one file: engine and weights stand in it, and nothing is fetched. The bundle of that page imports this module
 * before main.js (deploy/bundle_page.mjs); no other page has it.
 */

import { loadInWorker } from "../../../../engine/in_worker.js";
import { embeddedFile, embeddedPaths } from "../files.js";
import { setLoader } from "./browser_backend.js";

/** Where the engine takes its files to be: a name that nobody can register (RFC 2606), and nobody is asked. */
const PLACE = "https://one-file.invalid/";
/** The whole worker, as one script. */
const WORKER = "engine/worker.js";

/** Its URL, which all workers share. */
let script = "";

setLoader(async ({ engine, model }) => {
  script ||= URL.createObjectURL(new Blob([embeddedFile(WORKER) ?? ""], { type: "text/javascript" }));
  const needed = embeddedPaths().filter((path) => path.startsWith(engine) || path.startsWith(model));
  const files = new Map(
    needed.map((path) => [PLACE + path, /** @type {Uint8Array<ArrayBuffer>} */ (embeddedFile(path))]),
  );
  return loadInWorker(PLACE + model, { script, files });
});
