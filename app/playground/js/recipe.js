/** The lines that draw the same picture again: with curl, and in Python. */

/** @import {Job} from "./types" */

/** @param {Job} job @param {number} sample @param {string} origin */
export function curlLine(job, sample, origin) {
  const asked = `-H 'Prefer: wait=30' -H 'Accept: image/png' -o image.png`;
  const n = sample + 1;
  if (job.kind === "sample") {
    const body = JSON.stringify({ model: job.model, n, seed: job.seed, temperature: job.temperature });
    const single = `curl ${origin}/sample -H 'Content-Type: application/json' -d '${body}'`;
    if (n === 1) return `${single} ${asked}`;
    const fetched = `curl -o image.png '${origin}/jobs/ID/image?sample=${sample}'`;
    return `${single}\n# and with the id of the answer, when it is done:\n${fetched}`;
  }
  const mask = job.kind === "complete" ? " -F mask=@mask.png" : "";
  const settings = `-F model=${job.model} -F n=${n} -F seed=${job.seed} -F temperature=${job.temperature}`;
  return `curl ${origin}/${job.kind} -F image=@given.png${mask} ${settings}${n === 1 ? ` ${asked}` : ""}`;
}

/** @param {Job} job @param {number} sample @param {string} origin */
export function pythonLine(job, sample, origin) {
  const files =
    { sample: "", complete: `, "given.png", "mask.png"`, upsample: `, "given.png"` }[String(job.kind)] ?? "";
  const settings = `n=${sample + 1}, seed=${job.seed}, temperature=${job.temperature}`;
  const call = `Client("${origin}").${job.kind}("${job.model}"${files}, ${settings})`;
  return `from pixelrnn.client import Client\n\njob = ${call}\njob.wait()\njob.save("image.png", sample=${sample})`;
}
