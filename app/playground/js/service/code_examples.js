/**
 * Code that makes the call of a form, for curl, Python and JavaScript. It can be run as
 * it is.
 */

/**
 * A call of the service. kind: the path without the slash. fields: fields that are no files.
 * files: file name by field.
 *
 * @typedef {{kind: string, fields: Record<string, any>, files: Record<string, string>}} Call
 */

/**
 * The service's address without a slash at its end, and whether it requires a key, which the code takes from the
 * environment variable PIXELRNN_KEY.
 *
 * @typedef {{origin: string, isGuarded: boolean}} Place
 */

/** Fields of a form that are numbers in Python. */
const NUMBERS = ["n", "seed", "temperature", "first", "particles", "sweeps", "minutes"];
/** Fields of a form that are booleans in Python. */
const FLAGS = ["rank"];

/** Return the address of the service that has sent the page. */
export function serviceAddress() {
  return new URL(".", location.href).href.slice(0, -1);
}

/**
 * Return the call that a form makes: its kind, its fields, and the names of its files.
 *
 * @param {string} path - Path of the call, such as "/sample".
 * @param {Record<string, any> | FormData} body - JSON, of which null and undefined
 *     fields are left out, or a form with files. Fields of a form that are numbers or
 *     booleans are converted.
 * @returns {Call}
 */
export function callOf(path, body) {
  const kind = path.slice(1);
  if (!(body instanceof FormData)) {
    const fields = Object.entries(body).filter(([, value]) => value !== undefined && value !== null);
    return { kind, fields: Object.fromEntries(fields), files: {} };
  }
  /** @type {Call} */
  const call = { kind, fields: {}, files: {} };
  for (const [name, value] of body) {
    if (value instanceof File) call.files[name] = fileName(name, value);
    else call.fields[name] = NUMBERS.includes(name) ? Number(value) : FLAGS.includes(name) ? value === "true" : value;
  }
  return call;
}

/**
 * Return the file name under which the page offers a file that a form sends.
 *
 * @param {string} field - Name of the form's field.
 * @param {File} file
 */
export function fileName(field, { type }) {
  const endings = /** @type {Record<string, string>} */ ({
    "application/zip": "zip",
    "image/jpeg": "jpg",
    "image/webp": "webp",
  });
  const names = /** @type {Record<string, string>} */ ({ image: "given", images: "pictures" });
  return `${names[field] ?? field}.${endings[type] ?? "png"}`;
}

/**
 * Return the shell command that makes a call. Pictures are written into one file; other
 * results are printed.
 *
 * @param {Call} call
 * @param {Place} place
 */
export function curlOf(call, place) {
  const ask = curlArguments(call, place);
  if (call.kind === "train") return `curl -fsS ${ask}`;
  if (!returnsPictures(call)) return `curl -fsS ${ask} \\\n  -H 'Prefer: wait=30'`;
  return `curl -fsSo images.png ${ask} \\\n  -H 'Accept: image/png' -H 'Prefer: wait=30'`;
}

/**
 * Return true if the answer of a call is pictures.
 *
 * @param {Call} call
 */
function returnsPictures({ kind }) {
  return ["sample", "complete"].includes(kind);
}

/**
 * Return curl's option for the key, or "".
 *
 * @param {Place} place
 */
function keyOf({ isGuarded }) {
  return isGuarded ? ` -H "Authorization: Bearer $PIXELRNN_KEY"` : "";
}

/**
 * Return the arguments of curl that send a call.
 *
 * @param {Call} call
 * @param {Place} place
 */
function curlArguments({ kind, fields, files }, place) {
  const address = `${place.origin}/${kind}${keyOf(place)}`;
  if (kind === "sample") {
    const body = JSON.stringify(fields);
    return `${address} \\\n  -H 'Content-Type: application/json' \\\n  -d '${body.replaceAll("'", "'\\''")}'`;
  }
  const sent = Object.entries(files).map(([name, file]) => `-F ${name}=@${file}`);
  const texts = Object.entries(fields).map(([name, value]) => ` ${textOption(value)} ${name}=${quote(String(value))}`);
  return `${address} \\\n  ${sent.join(" ")} \\\n ${texts.join("")}`;
}

/**
 * Return the Python program that makes a call. Pictures are written into one file;
 * other results are printed.
 *
 * @param {Call} call
 * @param {Place} place
 */
export function pythonOf(call, place) {
  const end = returnsPictures(call) ? ["job.wait()", `job.save("images.png", grid=True)`] : ["print(job.result())"];
  return [...clientLines(call, place), ...end].join("\n");
}

/**
 * Return the lines that start a job with the Python client.
 *
 * @param {Call} call
 * @param {Place} place
 */
function clientLines({ kind, fields, files }, { origin, isGuarded }) {
  const isTraining = kind === "train";
  const { model, name, ...settings } = fields;
  const file = (/** @type {string} */ path) => (isTraining ? `Path(${JSON.stringify(path)})` : JSON.stringify(path));
  const sent = Object.values(files).map(file);
  // A training takes a path and the new model's name, other calls a model and files.
  const first = isTraining ? [...sent, JSON.stringify(name)] : [JSON.stringify(model), ...sent];
  const how = Object.entries(settings).map(([name, value]) => `    ${name}=${pythonLiteral(value)},`);
  const imported = [...(isGuarded ? ["import os"] : []), ...(isTraining ? ["from pathlib import Path"] : [])];
  return [
    ...imported,
    ...(imported.length ? [""] : []),
    "from pixelrnn.client import Client",
    "",
    `client = Client("${origin}"${isGuarded ? `, key=os.environ["PIXELRNN_KEY"]` : ""})`,
    `job = client.${kind}(`,
    `    ${first.join(", ")},`,
    ...how,
    ")",
  ];
}

/**
 * Return the Node program that makes a call. Pictures are written into one file; other
 * results are printed.
 *
 * @param {Call} call
 * @param {Place} place
 */
export function javascriptOf(call, place) {
  const { kind, fields, files } = call;
  const hasFiles = Object.keys(files).length > 0;
  const hasPictures = returnsPictures(call);
  const imported = [
    ...(hasFiles ? [`import { openAsBlob } from "node:fs";`] : []),
    ...(hasPictures ? [`import { writeFile } from "node:fs/promises";`] : []),
  ];
  const headers = place.isGuarded ? "headers: { ...key }" : "";
  // GET requests need options only if there is a key.
  const look = headers && `, { ${headers} }`;
  const fetched = [
    `const image = await call(\`/jobs/\${job.id}/image?grid=1\`${look});`,
    `await writeFile("images.png", Buffer.from(await image.arrayBuffer()));`,
  ];
  return [
    ...imported,
    ...(imported.length ? [""] : []),
    `const service = "${place.origin}";`,
    ...(place.isGuarded ? ["const key = { Authorization: `Bearer ${process.env.PIXELRNN_KEY}` };"] : []),
    `const fields = ${JSON.stringify(fields, null, 2)};`,
    ...(hasFiles ? formOf(files) : []),
    "",
    "async function call(path, options) {",
    "  const answer = await fetch(service + path, options);",
    "  if (!answer.ok) throw new Error(await answer.text());",
    "  return answer;",
    "}",
    "",
    `let job = await (await call("/${kind}", {`,
    `  method: "POST",`,
    ...(hasFiles ? [...(headers ? [`  ${headers},`] : []), "  body: form,"] : jsonRequest(place)),
    "})).json();",
    `while (!job.finished_at) job = await (await call(\`/jobs/\${job.id}?wait=30\`${look})).json();`,
    'if (job.status !== "succeeded") throw new Error(job.error?.detail ?? job.status);',
    ...(hasPictures ? fetched : ["console.log(job.result);"]),
  ].join("\n");
}

/**
 * Return the lines that make a form with files and fields.
 *
 * @param {Record<string, string>} files
 */
function formOf(files) {
  const sent = Object.entries(files).map(
    ([name, file]) => `form.set("${name}", await openAsBlob("${file}"), "${file}");`,
  );
  const loop = "for (const [name, value] of Object.entries(fields)) form.set(name, String(value));";
  return ["const form = new FormData();", ...sent, loop];
}

/**
 * Return the lines of a request in JSON.
 *
 * @param {Place} place
 */
function jsonRequest({ isGuarded }) {
  const key = isGuarded ? "...key, " : "";
  return [`  headers: { ${key}"Content-Type": "application/json" },`, "  body: JSON.stringify(fields),"];
}

/**
 * Return curl's option that sends a text: `-F` would read a file that it names behind @ or
 * <, and options behind a semicolon.
 *
 * @param {any} value
 */
const textOption = (value) => (/^[@<]|;/.test(String(value)) ? "--form-string" : "-F");

/**
 * Return a text for a shell, in quotes if it needs them.
 *
 * @param {string} text
 */
const quote = (text) => (/^[\w.@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/**
 * Return a value as Python writes it.
 *
 * @param {any} value
 */
const pythonLiteral = (value) => {
  const constants = new Map([
    [true, "True"],
    [false, "False"],
    [null, "None"],
  ]);
  return constants.get(value) ?? JSON.stringify(value);
};
