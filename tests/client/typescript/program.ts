/** What a TypeScript user writes; it is checked and not run. */
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

const client = createClient<paths>({ baseUrl: "http://127.0.0.1:8000" });

export async function draw(): Promise<components["schemas"]["Job"]> {
  const { data, error } = await client.POST("/sample", { body: { model: "mnist-diagonal-bilstm", n: 4, seed: 7 } });
  if (!data) throw new Error(error?.detail ?? error?.title);
  if (typeof data === "string") throw new Error("events and pictures come only where they are asked for");
  return data;
}

export async function finished(id: string): Promise<number> {
  const { data } = await client.GET("/jobs/{job_id}", { params: { path: { job_id: id }, query: { wait: 20 } } });
  // @ts-expect-error: a Job has no such field, so the types say something
  data?.no_such_field;
  return data?.rows_done ?? 0;
}

export async function likelihood(id: string): Promise<number> {
  const { data } = await client.GET("/jobs/{job_id}/score-map", { params: { path: { job_id: id } } });
  return data?.bits[0]?.[0]?.[0] ?? 0;
}
