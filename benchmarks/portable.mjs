/**
 * Draws in Node for benchmarks/portable.py: node portable.mjs ENGINE MODEL_FOLDER FIRST END OUT
 *
 * Writes the values of image 0 of the seeds FIRST to END - 1, one after the other; prints milliseconds of processor.
 */
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [engine, folder, first, end, out] = process.argv.slice(2);
const { load } = await import(pathToFileURL(`${engine}/index.js`).href);
const model = await load(pathToFileURL(`${folder}/`));
const [pictures, ms] = [[], []];
for (let seed = Number(first); seed < Number(end); seed++) {
  const since = process.cpuUsage();
  const [image] = await model.sample({ seed });
  const { user, system } = process.cpuUsage(since);
  pictures.push(image.values);
  ms.push((user + system) / 1000);
}
writeFileSync(out, Buffer.concat(pictures));
const sorted = ms.toSorted((a, b) => a - b);
const { module } = model;
console.log(JSON.stringify({ module, first: ms[0], best: sorted[0], median: sorted[sorted.length >> 1] }));
