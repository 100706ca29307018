/**
 * Completes in Node for benchmarks/portable_completions.py: node portable_completions.mjs ENGINE MODEL_FOLDER
 *
 * Reads a list of requests, as JSON; prints what came of each, and milliseconds of processor.
 */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [engine, folder] = process.argv.slice(2);
const { load } = await import(pathToFileURL(`${engine}/index.js`).href);
const model = await load(pathToFileURL(`${folder}/`));
const since = process.cpuUsage();
const completions = [];
for (const request of JSON.parse(readFileSync(0, "utf8"))) completions.push(await model.complete(request));
const { user, system } = process.cpuUsage(since);
const told = (_, value) => (ArrayBuffer.isView(value) ? Array.from(value) : value);
console.log(JSON.stringify({ module: model.module, ms: (user + system) / 1000, completions }, told));
