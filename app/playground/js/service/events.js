/**
 * Follow the events of a job through losses of the connection: it is opened again
 * behind the last event that arrived.
 *
 * The browser's EventSource would do most of this, but it cannot send an API key.
 */

import { pause } from "./api.js";
import { Problem, Unreachable } from "./problems.js";

/** @import {Api} from "./api.js" */
/** @import {ServerEvent} from "../types" */

/** Events after which the server closes the stream. */
const TERMINAL = new Set(["done", "error", "canceled"]);
/**
 * Milliseconds before the connection is opened again; each further loss adds as many.
 */
const PAUSE_MS = 500;
/** The same, at most. */
const LONGEST_PAUSE_MS = 5000;
/**
 * Milliseconds without a single byte after which a connection counts as lost: the
 * server sends a comment every 15 seconds.
 */
const SILENCE_MS = 60_000;

/**
 * Yield every event of a job, up to and including its last one, with its name, id and
 * data.
 *
 * @param {Api} api
 * @param {string} jobId
 * @param {AbortSignal} signal - Ends the stream without an error.
 * @param {(connected: boolean) => void} onConnection - Called with false each time that
 *     a lost connection could not be opened again at once, and with true when events
 *     arrive again.
 * @returns {AsyncGenerator<ServerEvent>} It ends after the event done, error or
 *     canceled, and when the signal is aborted.
 * @throws {Problem} if the server refuses the stream, such as for a job that is gone. A
 *     server that is overloaded or does not answer is tried again.
 */
export async function* follow(api, jobId, signal, onConnection) {
  let lastId = "";
  let lost = 0;
  while (!signal.aborted) {
    try {
      for await (const event of connection(api, jobId, lastId, signal)) {
        // A piece of the stream may hold many events; nobody wants those that are left in
        // it when the reader leaves.
        if (signal.aborted) return;
        if (lost) onConnection(true);
        lost = 0;
        // Only events that are kept by the server have an id; the others are not sent
        // again.
        lastId = event.id ?? lastId;
        yield event;
        if (TERMINAL.has(event.name)) return;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!mayPass(error)) throw error;
    }
    lost += 1;
    // One loss is not reported, since the connection is usually open again at once.
    if (lost > 1) onConnection(false);
    await pause(Math.min(PAUSE_MS * lost, LONGEST_PAUSE_MS));
  }
}

/**
 * Return true if an error may pass: the server is overloaded, restarts or does not
 * answer.
 *
 * @param {unknown} error
 */
function mayPass(error) {
  if (error instanceof Problem) return error.body.status >= 500 || error.body.status === 429;
  return error instanceof Unreachable || error instanceof TypeError || error instanceof DOMException;
}

/**
 * Yield the events of one connection.
 *
 * @param {Api} api
 * @param {string} jobId
 * @param {string} lastId - Id of the last event that arrived, "" for none.
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<ServerEvent>}
 */
async function* connection(api, jobId, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : undefined;
  const response = await api.send(`/jobs/${jobId}/events`, { headers, signal, cache: "no-store" });
  if (response.body) yield* parse(response.body);
}

/**
 * Yield the server-sent events of a stream, each with its name, id (null without one)
 * and data. Comments and events without data are skipped.
 *
 * @param {ReadableStream<Uint8Array>} body - Bytes of the stream, cut anywhere.
 * @param {number} [silenceMs] - Milliseconds without a byte after which the stream is
 *     closed and the events end.
 * @returns {AsyncGenerator<ServerEvent>}
 * @throws {SyntaxError} if the data of an event is not JSON; the errors of the stream.
 */
export async function* parse(body, silenceMs = SILENCE_MS) {
  const reader = body.pipeThrough(/** @type {any} */ (new TextDecoderStream())).getReader();
  let text = "";
  for (;;) {
    const piece = await readWithin(reader, silenceMs);
    if (piece.done) return;
    text += piece.value;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = eventOf(block);
      if (event) yield event;
    }
  }
}

/**
 * Read the next piece of a stream. If none arrives within the limit, cancel the reader
 * and resolve to `{done: true}`, as at the end of the stream. Errors of the stream are
 * passed on.
 *
 * @param {ReadableStreamDefaultReader<string>} reader
 * @param {number} limitMs
 * @returns {Promise<{done: boolean, value?: string}>}
 */
async function readWithin(reader, limitMs) {
  /** @type {(end: {done: boolean, value?: string}) => void} */
  let end = () => {};
  /** @type {Promise<{done: boolean, value?: string}>} */
  const silence = new Promise((resolve) => (end = resolve));
  const timer = setTimeout(() => end({ done: true }), limitMs);
  const piece = await Promise.race([reader.read(), silence]).finally(() => clearTimeout(timer));
  // Nobody waits for the closing: a connection that is lost cannot confirm it.
  if (piece.done) reader.cancel().catch(() => {});
  return piece;
}

/**
 * Return the event that a block of lines describes.
 *
 * @param {string} block
 * @returns {ServerEvent | null} Null for a comment.
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
