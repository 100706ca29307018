/** What the page and the engine read of jobs and of the texts in pictures: JSON on stdin, JSON on stdout. */
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

globalThis.localStorage = { getItem: () => null, setItem: () => {} };
globalThis.sessionStorage = globalThis.localStorage;
const { page, engine, cases } = JSON.parse(readFileSync(0, "utf8"));
const from = (folder, name) => import(pathToFileURL(`${folder}/${name}.js`).href);
const { settingsIn, settingsOf } = await from(page, "service/settings");
const { linkTo, recipeFrom } = await from(page, "service/share");
const { historyEntry } = await from(page, "service/history");
const { recipeOf } = await from(engine, "recipe");

/** The options of a sample, or the reason why they cannot be told. @param {Record<string, string>} text */
function engineOptions(text) {
  try {
    return { ...recipeOf(text).options, seed: undefined }; // a bigint
  } catch (error) {
    return error.message;
  }
}

const read = await Promise.all(
  cases.map(async ({ job, text }) => {
    const link = await linkTo(job, [], job.kind === "sample" ? {} : { image: "data:image/png;base64,AAAA" });
    const [view, query] = link.split("?");
    return {
      link,
      settings: settingsIn(job),
      followed: recipeFrom(view, query).settings,
      remembered: historyEntry(job, {}, ""),
      dropped: settingsOf(text),
      engine: job.kind === "sample" ? engineOptions(text) : null,
    };
  }),
);
console.log(JSON.stringify(read));
