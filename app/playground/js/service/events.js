/** A job's events, whatever happens to the connection: it is opened again behind the last event that arrived.
 *
 * EventSource would do most of this, but cannot send a key.
 */

import { pause } from "./api.js";
import { Problem, Unreachable } from "./problems.js";

/** @import {Api} from "./api.js" */
/** @import {ServerEvent} from "../types" */

const TERMINAL = new Set(["done", "error", "canceled"]);
const PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5000;

/**
 * Every event of the job up to its last one. Throws Problem when the job is gone.
 *
 * @param {Api} api
 * @param {string} jobId
 * @param {AbortSignal} signal ends it silently
 * @param {(connected: boolean) => void} onConnection told when the connection is lost and when it is back
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* follow(api, jobId, signal, onConnection) {
  let lastId = "";
  let lost = 0;
  while (!signal.aborted) {
    try {
      for await (const event of connection(api, jobId, lastId, signal)) {
        if (lost) onConnection(true);
        lost = 0;
        lastId = event.id ?? lastId;
        yield event;
        if (TERMINAL.has(event.name)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!mayPass(error)) throw error;
    }
    lost += 1;
    if (lost > 1) onConnection(false);
    await pause(Math.min(PAUSE_MS * lost, LONGEST_PAUSE_MS));
  }
}

/** @param {unknown} error */
function mayPass(error) {
  if (error instanceof Problem) return error.body.status >= 500 || error.body.status === 429;
  return error instanceof Unreachable || error instanceof TypeError || error instanceof DOMException;
}

/**
 * @param {Api} api
 * @param {string} jobId
 * @param {string} lastId
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<ServerEvent>}
 */
async function* connection(api, jobId, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : undefined;
  const response = await api.send(`/jobs/${jobId}/events`, { headers, signal, cache: "no-store" });
  if (response.body) yield* parse(response.body);
}

/**
 * @param {ReadableStream<Uint8Array>} body
 * @returns {AsyncGenerator<ServerEvent>}
 */
export async function* parse(body) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = eventOf(block);
      if (event) yield event;
    }
  }
}

/**
 * @param {string} block
 * @returns {ServerEvent | null} null for a comment
 */
function eventOf(block) {
  /** @type {Record<string, string>} */
  const fields = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (name) fields[name] = value;
  }
  if (!fields.data) return null;
  return { name: fields.event ?? "message", id: fields.id ?? null, data: JSON.parse(fields.data) };
}
