/** Carries out a call of calls.mjs: one JSON object on stdin, one on stdout; pictures are arrays. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

import * as calls from "./calls.mjs";

const { engine, call, given } = JSON.parse(readFileSync(0, "utf8"));
const parts = {};
for (const name of ["index", "orientation", "png", "program", "rounding", "sha256"]) {
  Object.assign(parts, await import(pathToFileURL(`${engine}/${name}.js`).href));
}
const told = (value) => (ArrayBuffer.isView(value) ? Array.from(/** @type {any} */ (value), Number) : value);
console.log(JSON.stringify((await calls[call]({ parts, ...given })) ?? null, (_, value) => told(value)));
