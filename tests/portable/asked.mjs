/** Carries out calls of the engine for tests: one JSON object on stdin, one on stdout; pictures are arrays. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const { engine, script, given } = JSON.parse(readFileSync(0, "utf8"));
const parts = {};
for (const name of ["index", "orientation", "png", "program", "rounding", "sha256"]) {
  Object.assign(parts, await import(pathToFileURL(`${engine}/${name}.js`).href));
}
const at = (folder) => pathToFileURL(`${folder}/`);
const told = (value) => (ArrayBuffer.isView(value) ? Array.from(value, Number) : value);
const ask = new Function("parts", "at", "given", `return (async () => { ${script} })()`);
console.log(JSON.stringify((await ask(parts, at, given)) ?? null, (_, value) => told(value)));
