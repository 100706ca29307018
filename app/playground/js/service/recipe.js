/** The lines that draw the same picture again: with curl, and in Python. They work as they stand. */

import { settingsIn } from "./settings.js";

/** @import {Job} from "../types" */

/**
 * Sample 0 comes with the answer; another one is fetched from the job, as soon as its last row is drawn.
 *
 * @param {Job} job
 * @param {number} sample
 * @param {string} origin
 * @param {boolean} isGuarded whether the server wants a key
 */
export function curlLine(job, sample, origin, isGuarded) {
  const key = isGuarded ? ` -H "Authorization: Bearer $PIXELRNN_KEY"` : "";
  const ask = `${origin}/${job.kind}${key} \\\n  ${bodyOf(job, sample + 1)}`;
  if (sample === 0) return `curl -fsSo image.png ${ask} \\\n  -H 'Accept: image/png' -H 'Prefer: wait=30'`;
  const id = `job=$(curl -fsS ${ask} \\\n  | grep -o '/jobs/[^"/]*' | head -n 1)`;
  return `${id}\ncurl -fsSo image.png${key} \\\n  "${origin}$job/image?sample=${sample}&follow=1"`;
}

/** @param {Job} job @param {number} n */
function bodyOf(job, n) {
  const settings = fieldsOf(job, n);
  if (job.kind === "sample") {
    const body = JSON.stringify(settings);
    return `-H 'Content-Type: application/json' \\\n  -d '${body.replaceAll("'", "'\\''")}'`;
  }
  const files = job.kind === "complete" ? "-F image=@given.png -F mask=@mask.png" : "-F image=@given.png";
  const fields = Object.entries(settings).map(([name, value]) => ` -F ${name}=${quoted(String(value))}`);
  return `${files} \\\n ${fields.join("")}`;
}

/** @param {Job} job @param {number} sample @param {string} origin @param {boolean} isGuarded */
export function pythonLine(job, sample, origin, isGuarded) {
  const files =
    { sample: "", complete: `, "given.png", "mask.png"`, upsample: `, "given.png"` }[String(job.kind)] ?? "";
  const key = isGuarded ? `, key=os.environ["PIXELRNN_KEY"]` : "";
  const { model, ...settings } = fieldsOf(job, sample + 1);
  const how = Object.entries(settings).map(([name, value]) => `    ${name}=${inPython(value)},`);
  return [
    ...(isGuarded ? ["import os", ""] : []),
    "from pixelrnn.client import Client",
    "",
    `client = Client("${origin}"${key})`,
    `job = client.${job.kind}(`,
    `    ${JSON.stringify(model)}${files},`,
    ...how,
    ")",
    "job.wait()",
    `job.save("image.png", sample=${sample})`,
  ].join("\n");
}

/** What a request says for the first n images of a job. @param {Job} job @param {number} n @returns {Record<string, any>} */
function fieldsOf(job, n) {
  const { kind, ...settings } = settingsIn(job);
  const { label } = settings;
  const labels = Array.isArray(label) ? { label: label.slice(0, n) } : {};
  const fit = job.cutouts ? { fit: "crop" } : {};
  return { ...settings, n, ...labels, ...fit };
}

/** For a shell, in quotes if it needs them. @param {string} text */
const quoted = (text) => (/^[\w.@:+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

/** @param {any} value */
const inPython = (value) => (value === true ? "True" : JSON.stringify(value));
