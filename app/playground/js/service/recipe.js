/** The lines that draw the same picture again: with curl, and in Python. They work as they stand. */

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
  const { model, seed, temperature } = job;
  if (job.kind === "sample") {
    const body = JSON.stringify({ model, n, seed, temperature, label: labelOf(job, n) });
    return `-H 'Content-Type: application/json' \\\n  -d '${body.replaceAll("'", "'\\''")}'`;
  }
  const files = job.kind === "complete" ? "-F image=@given.png -F mask=@mask.png" : "-F image=@given.png";
  const how = methodOf(job).map(([name, value]) => ` -F ${name}=${value}`);
  return `${files} \\\n  -F model=${model} -F n=${n} \\\n  -F seed=${seed} -F temperature=${temperature}${how.join("")}`;
}

/** @param {Job} job @param {number} sample @param {string} origin @param {boolean} isGuarded */
export function pythonLine(job, sample, origin, isGuarded) {
  const files =
    { sample: "", complete: `, "given.png", "mask.png"`, upsample: `, "given.png"` }[String(job.kind)] ?? "";
  const key = isGuarded ? `, key=os.environ["PIXELRNN_KEY"]` : "";
  const label = job.kind === "sample" ? labelOf(job, sample + 1) : undefined;
  const how = [...methodOf(job), .../** @type {[string, any][]} */ (label ? [["label", label]] : [])].map(
    ([name, value]) => `    ${name}=${JSON.stringify(value)},`,
  );
  return [
    ...(isGuarded ? ["import os", ""] : []),
    "from pixelrnn.client import Client",
    "",
    `client = Client("${origin}"${key})`,
    `job = client.${job.kind}(`,
    `    "${job.model}"${files},`,
    `    n=${sample + 1}, seed=${job.seed}, temperature=${job.temperature},`,
    ...how,
    ")",
    "job.wait()",
    `job.save("image.png", sample=${sample})`,
  ].join("\n");
}

/** That of all images, or those of the first n; absent where none was asked for. @param {Job} job @param {number} n */
function labelOf({ label }, n) {
  return (Array.isArray(label) ? label.slice(0, n) : label) ?? undefined;
}

/** How a completion is drawn, as far as its job says. @param {Job} job @returns {[string, string | number][]} */
function methodOf({ kind, label, method, particles, sweeps, cutouts }) {
  /** @type {[string, string | number | null][]} */
  const all = [
    ["fit", cutouts ? "crop" : null],
    ["label", kind === "sample" || Array.isArray(label) ? null : label],
    ["method", method],
    ["particles", particles],
    ["sweeps", sweeps],
  ];
  return /** @type {[string, string | number][]} */ (all.filter(([, value]) => value != null));
}
