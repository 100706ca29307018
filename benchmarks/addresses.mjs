/** Draws for benchmarks/addresses.py in Node: ENGINE MODEL_FOLDER < NAMES > VALUES, names as JSON. */
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [engine, folder] = process.argv.slice(2);
const { load, drawAddressed } = await import(pathToFileURL(`${engine}/index.js`).href);
const model = await load(pathToFileURL(`${folder}/`));
const pictures = [];
for (const name of JSON.parse(readFileSync(0, "utf8"))) pictures.push((await drawAddressed(model, name)).values);
writeFileSync(1, Buffer.concat(pictures));
