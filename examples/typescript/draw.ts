/** Draws a picture, shows its rows as they come, and saves it: node draw.js [MODEL [FILE [URL]]] */
import { writeFile } from "node:fs/promises";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Event = components["schemas"]["EventData"];

const [model = "mnist-diagonal-bilstm", file = "drawn.png", baseUrl = "http://127.0.0.1:8000"] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl });
const SHADES = " ░▒▓█";

/** What was answered. Else the problem, whose detail says what was expected, is thrown. */
function good<T>({ data, error }: { data?: T; error?: { detail?: string } }): T {
  if (data === undefined) throw new Error(error?.detail ?? "no answer");
  return data;
}

/** The events of a stream: blocks of lines, with a blank line between them. */
async function* eventsOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Event> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of stream) {
    const blocks = (text + decoder.decode(part, { stream: true })).split("\n\n");
    text = blocks.pop() ?? ""; // what has not come whole yet
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (data) yield JSON.parse(data.slice("data: ".length)) as Event;
    }
  }
}

/** A row as characters, two for a pixel: one byte for each colour of each pixel. */
function shaded(pixels: string, width: number): string {
  const bytes = Buffer.from(pixels, "base64");
  const colours = bytes.length / width;
  const brightness = (x: number) => bytes.subarray(x * colours, (x + 1) * colours).reduce((a, b) => a + b, 0) / colours;
  return Array.from({ length: width }, (_, x) => SHADES[Math.round(brightness(x) / 64)]?.repeat(2)).join("");
}

const job = good(await client.POST("/sample", { body: { model } }));
const card = good(await client.GET("/models")).models.find(({ name }) => name === model);
const params = { path: { job_id: job.id } };
const stream = good(await client.GET("/jobs/{job_id}/events", { params, parseAs: "stream" })) as ReadableStream<Uint8Array>;
let last: Event | undefined;
for await (const event of eventsOf(stream)) {
  if (event.type === "row" && event.stage !== "small") console.log(shaded(event.pixels, card?.width ?? 1));
  last = event;
}
if (last?.type !== "done") throw new Error(`the job's last event was ${last?.type}`);

const query = { scale: 8 };
const picture = good(await client.GET("/jobs/{job_id}/image", { params: { ...params, query }, parseAs: "arrayBuffer" }));
await writeFile(file, Buffer.from(picture));
console.log(`${file}: ${model}, seed ${last.seed}`);
