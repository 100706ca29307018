/** Calls of the engine that tests make by name. Each gets the engine's `parts`, and what the test gives. */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const at = (folder) => pathToFileURL(`${folder}/`);
const sentence = (error) => `${error.name}: ${error.message}`;
const valuesOf = (images) => images.map(({ values }) => values);
const hole = { seed: 1, known: new Array(30).fill(0), keep: [0, ...new Array(29).fill(1)] };
/** @param {any} given */
const modelOf = ({ parts, folder }) => parts.load(at(folder));

/**
 * Call `act` with each of the folder's models; return what it returns, by name.
 * @param {any} given
 * @param {any} act
 */
async function ofEach({ parts, folder, models }, act) {
  const found = {};
  for (const name of models) found[name] = await act(await parts.load(at(`${folder}/models/${name}`)), name);
  return found;
}

export const draw = ({ seed, options, ...given }) =>
  ofEach(given, async (model) => {
    const rows = [];
    const onRow = (image, y, values) => rows.push([image, y, values]);
    const images = await model.sample({ ...options, seed: BigInt(seed), onRow });
    return { values: valuesOf(images), rows, module: model.module, labels: model.labels };
  });

/** Draw the picture of each name; of one that no address has, return the error. */
export async function drawNames({ names, ...given }) {
  const model = await modelOf(given);
  const { drawAddressed } = given.parts;
  return Promise.all(names.map((name) => drawAddressed(model, name).then(({ values }) => values, sentence)));
}

export const weigh = ({ options, ...given }) =>
  ofEach(given, async (model) =>
    (await model.sample(options)).map(({ nats, bitsPerDim, values }) => [nats, bitsPerDim, values]),
  );

export async function complete({ calls, ...given }) {
  const model = await modelOf(given);
  const completed = [];
  for (const options of calls) completed.push(await model.complete(options));
  return completed;
}

export const completeAll = ({ requests, ...given }) =>
  ofEach({ ...given, models: Object.keys(requests) }, async (model, name) => {
    const completed = [];
    for (const request of requests[name]) completed.push(await model.complete(request));
    return completed;
  });

export async function stop(given) {
  const model = await modelOf(given);
  return model.complete({ ...hole, signal: AbortSignal.abort() }).then(() => "done", sentence);
}

export async function score({ values, labels = [undefined], ...given }) {
  const model = await modelOf(given);
  return Promise.all(labels.map((label) => model.score(values, { label: label ?? undefined })));
}

export async function surprise({ values, labels = [undefined], ...given }) {
  const model = await modelOf(given);
  return Promise.all(labels.map((label) => model.surprise(values, { label: label ?? undefined })));
}

export async function classify({ values, ...given }) {
  return (await modelOf(given)).classify(values);
}

export async function verify({ files, ...given }) {
  const model = await modelOf(given);
  const told = ({ verified, changed, cardChanged }) => [verified, changed, cardChanged];
  return Promise.all(files.map((file) => model.verify(Uint8Array.from(file)).then(told, sentence)));
}

export async function refusals(given) {
  const model = await modelOf(given);
  const calls = {
    seed: () => model.sample({ seed: 2 ** 60 }),
    n: () => model.sample({ seed: 1, n: 0 }),
    temperature: () => model.sample({ seed: 1, temperature: 0 }),
    label: () => model.sample({ seed: 1, label: 3 }),
    size: () => model.score([1, 2, 3]),
    value: () => model.score(new Array(30).fill(2)),
    particles: () => model.complete({ ...hole, particles: 257 }),
    sweeps: () => model.complete({ ...hole, sweeps: 17 }),
    method: () => model.complete({ ...hole, method: "guess" }),
    clamp: () => model.complete({ ...hole, method: "clamp", n: 0 }),
    labels: () => model.complete({ ...hole, label: ["a"] }),
    keep: () => model.complete({ ...hole, keep: [1] }),
  };
  const said = {};
  for (const [name, call] of Object.entries(calls)) said[name] = await call().then(() => "nothing", sentence);
  return said;
}

export async function refusedLabels(given) {
  const model = await modelOf(given);
  const calls = [model.sample({ seed: 1, label: "seven" }), model.sample({ seed: 1, n: 2, label: ["a"] })];
  return Promise.all(calls.map((call) => call.then(() => "nothing", sentence)));
}

export const load = (given) => modelOf(given).then(() => "loaded", sentence);

export const loadAndDraw = (given) =>
  modelOf(given)
    .then((model) => model.sample({ seed: 1 }))
    .then(() => "drawn", sentence);

/** Load from a server that closes each connection in the midst of a file. */
export async function loadBroken({ parts }) {
  const server = createServer((request, response) => {
    response.writeHead(200, { "Content-Length": "100" });
    response.write("{");
    setTimeout(() => response.destroy(), 50);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const found = await parts.load(`http://127.0.0.1:${server.address().port}/`).then(() => "loaded", sentence);
  server.close();
  return found;
}

/** Load a model, and again after its folder was exported with another loop; files: address of files.js. */
export async function loadUpdated({ parts, folder, files }) {
  const { embed } = await import(files);
  const model = at(folder);
  await parts.load(model);
  const described = JSON.parse(readFileSync(new URL("portable.json", model), "utf8"));
  const list = new URL("modules.json", files);
  const modules = JSON.parse(readFileSync(list, "utf8"));
  const found = modules[described.kind];
  const exact = { file: found.file, sha256: found.sha256 };
  modules[described.kind] = { ...exact, sources: "new", relaxed: exact };
  const bytes = (value) => new TextEncoder().encode(JSON.stringify(value));
  embed(
    new Map([
      [new URL("portable.json", model).href, bytes({ ...described, sources: "new" })],
      [list.href, bytes(modules)],
    ]),
  );
  return [found.relaxed.file, found.file, (await parts.load(model)).module];
}

const compiled = (file) => new WebAssembly.Module(gunzipSync(readFileSync(file)));

export function importsAndExports({ file }) {
  const module = compiled(file);
  return [WebAssembly.Module.imports(module), WebAssembly.Module.exports(module).map(({ name }) => name)];
}

/** Return x * y + z for 16 x, y and z at a time, as bits. */
export function multiplyAdd({ file, cases }) {
  const { exports } = new WebAssembly.Instance(compiled(file));
  const place = exports.__heap_base.value + 64;
  exports.memory.grow(1);
  const bits = new Uint32Array(exports.memory.buffer, place, 64);
  return cases.map((lanes) => {
    bits.set(lanes);
    exports.multiply_add(place);
    return Array.from(bits.slice(48));
  });
}

export const roundsOnce = ({ parts, file }) => parts.roundsOnce(new parts.Instance(compiled(file)));

export const turns = ({ parts, names, maps }) =>
  names.map((name) => [parts.turn, parts.turnBack].map((act) => act(maps, 5, 5, name)));

export const areOrientations = ({ parts, names }) => names.map(parts.isOrientation);

export const digests = ({ parts, lengths }) =>
  lengths.map((n) => parts.sha256Here(Uint8Array.from({ length: n }, (_, i) => i * 7)));

export const pixels = ({ parts, files }) =>
  Promise.all(files.map((file) => parts.pixelsOf(parts.readPng(Uint8Array.from(file)))));

export async function hear({ request, ...given }) {
  const model = await modelOf(given);
  const rows = [];
  const onRow = (image, y, values) => rows.push([image, y, ...values]);
  const { images } = await model.complete({ ...request, onRow });
  return [valuesOf(images), rows];
}
