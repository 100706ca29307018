/** With openapi-fetch, on the types of openapi-typescript: node openapi_fetch.js URL PICTURE SMALL */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Job = components["schemas"]["Job"];
type Event = components["schemas"]["EventData"];

const [url, image, small] = process.argv.slice(2) as [string, string, string];
const client = createClient<paths>({ baseUrl: url });

/** What was answered; throws the problem that was answered instead. */
function good<T>({ data, error }: { data?: T; error?: unknown }): T {
  if (data === undefined) throw new Error(JSON.stringify(error));
  return data;
}

async function ended({ id }: Job): Promise<Job> {
  return good(await client.GET("/jobs/{job_id}", { params: { path: { job_id: id }, query: { wait: 30 } } }));
}

/** A multipart body. The types say string of a file. */
function form(fields: Record<string, unknown>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) for (const each of [value].flat()) form.append(name, each as Blob);
  return form;
}

async function file(path: string): Promise<string> {
  return new Blob([await readFile(path)], { type: "image/png" }) as unknown as string;
}

console.log("models:", good(await client.GET("/models")).models.map(({ name }) => name).join(" "));
const seed = Number.MAX_SAFE_INTEGER;
const sampled = await ended(good(await client.POST("/sample", { body: { model: "tiny-rgb", n: 2, seed } })));
if (sampled.result?.type !== "images") throw new Error("no images");
console.log("sample:", sampled.status, sampled.seed, sampled.result.images.length);
// @ts-expect-error: a Job has no such field, so the types say something
sampled.no_such_field;

const params = { path: { job_id: sampled.id } };
const query = { sample: 1, scale: 2 };
const found = await client.GET("/jobs/{job_id}/image", { params: { ...params, query }, parseAs: "arrayBuffer" });
console.log("picture:", createHash("sha256").update(Buffer.from(good(found))).digest("hex"));

const events = good(await client.GET("/jobs/{job_id}/events", { params, parseAs: "text" })) as string;
const data = events.split("\n").filter((line) => line.startsWith("data: ")).map((line) => JSON.parse(line.slice(6)) as Event);
const rows = data.filter((event) => event.type === "row" && event.pixels);
console.log("events:", data[0]?.type, rows.length, data.at(-1)?.type);

const picture = await file(image);
const hole = { model: "tiny-cnn", image: [picture], mask: [picture] };
const filled = await client.POST("/complete", { body: hole, bodySerializer: form });
console.log("complete:", (await ended(good(filled))).filled_pixels);
const larger = await client.POST("/upsample", {
  body: { model: "tiny-scales", image: await file(small), n: 2 },
  bodySerializer: form,
});
console.log("upsample:", (await ended(good(larger))).rows_done);

const asked = await client.POST("/score", { body: { model: "tiny-cnn", image: [picture] }, bodySerializer: form });
const { result } = await ended(good(asked));
if (result?.type !== "score") throw new Error("no score");
console.log("score:", result.nats.toFixed(3));

const long = good(await client.POST("/sample", { body: { model: "tiny-diagonal", n: 64 } }));
const its = { params: { path: { job_id: long.id } } };
good(await client.POST("/jobs/{job_id}/cancel", its));
console.log("cancel:", (await ended(long)).status);
console.log("delete:", (await client.DELETE("/jobs/{job_id}", its)).response.status);
