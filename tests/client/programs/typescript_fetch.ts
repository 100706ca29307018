/** With the typescript-fetch client of openapi-generator: node typescript_fetch.js URL PICTURE SMALL */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { Configuration, DrawApi, EventDataFromJSON, type Job, JobsApi, ModelsApi } from "./client/index.js";

const [basePath, image, small] = process.argv.slice(2) as [string, string, string];
const configuration = new Configuration({ basePath });
const draw = new DrawApi(configuration);
const jobs = new JobsApi(configuration);

function ended({ id }: Job): Promise<Job> {
  return jobs.getJob({ jobId: id, wait: 30 });
}

async function file(path: string): Promise<Blob> {
  return new Blob([await readFile(path)], { type: "image/png" });
}

const { models } = await new ModelsApi(configuration).listModels();
console.log("models:", models.map(({ name }) => name).join(" "));
const seed = Number.MAX_SAFE_INTEGER;
const sampled = await ended(await draw.createSample({ sampleRequest: { model: "tiny-rgb", n: 2, seed } }));
if (sampled.result?.type !== "images") throw new Error("no images");
console.log("sample:", sampled.status, sampled.seed, sampled.result.images.length);

const png = await jobs.getImage({ jobId: sampled.id, sample: 1, scale: 2 });
console.log("picture:", createHash("sha256").update(Buffer.from(await png.arrayBuffer())).digest("hex"));

const events = (await (await jobs.streamEvents({ jobId: sampled.id }))?.text()) ?? "";
const lines = events.split("\n").filter((line) => line.startsWith("data: "));
const data = lines.map((line) => EventDataFromJSON(JSON.parse(line.slice(6))));
const rows = data.filter((event) => event.type === "row" && event.pixels);
console.log("events:", data[0]?.type, rows.length, data.at(-1)?.type);

const picture = await file(image);
const filled = await ended(await draw.createCompletion({ model: "tiny-cnn", image: [picture], mask: [picture] }));
console.log("complete:", filled.filledPixels);
const larger = await draw.createUpsampling({ model: "tiny-scales", image: await file(small), n: 2 });
console.log("upsample:", (await ended(larger)).rowsDone);

const { result } = await ended(await draw.createScore({ model: "tiny-cnn", image: [picture] }));
if (result?.type !== "score") throw new Error("no score");
console.log("score:", result.nats.toFixed(3));

const long = await draw.createSample({ sampleRequest: { model: "tiny-diagonal", n: 64 } });
await jobs.cancelJob({ jobId: long.id });
console.log("cancel:", (await ended(long)).status);
console.log("delete:", (await jobs.deleteJobRaw({ jobId: long.id })).raw.status);
