/** The page's side of the service: requests, streams, links, and what draws in the browser. */
import assert from "node:assert/strict";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { constants, deflateSync } from "node:zlib";

import { alone } from "./alone.mjs";
import {
  PAGE,
  bet,
  block,
  browserBackend,
  decodeAtOnce,
  guardedApi,
  job,
  modelOf,
  page,
  settle,
  stream,
} from "./given.mjs";

/** Events of one job that came in one piece are not shown as events of the next job. */
alone(import.meta.url, "stream ends within a piece when its reader leaves", async () => {
  const { follow } = await page("service/events");
  const api = { send: async () => stream(block("snapshot", job), block("row", { y: 0 }), block("done", job)) };
  const leaving = new AbortController();
  const found = [];
  for await (const { name } of follow(api, "a", leaving.signal, () => {})) {
    found.push(name);
    leaving.abort();
  }
  assert.deepEqual(found, ["snapshot"]);
});

/** The stream was refused, so nothing will come of it. */
alone(import.meta.url, "state of a job that is gone is not requested for ever", async () => {
  // Timers run in their order, however busy the machine is.
  const timers = [];
  let now = 0;
  globalThis.setTimeout = (act, ms) => timers.push({ act, at: now + ms });
  const { FollowedJob } = await page("service/followed_job");
  const { Problem } = await page("service/problems");
  let [asked, opened] = [0, 0];
  const gone = () => new Problem({ type: "urn:expired-job", title: "", status: 410, detail: "gone" });
  const api = {
    job: async () => {
      asked += 1;
      throw gone();
    },
    send: async () => {
      if (opened++) throw gone();
      return stream(block("snapshot", job));
    },
  };
  let problem = "";
  const follow = async () => {
    const followed = new FollowedJob(api, "a");
    for await (const event of followed.events(new AbortController().signal));
  };
  follow().catch(({ slug }) => (problem = slug));
  for (let i = 0; i < 50; i += 1) {
    await settle();
    const [next] = timers.sort((a, b) => a.at - b.at).splice(0, 1);
    now = next?.at ?? now;
    next?.act();
  }
  assert.deepEqual([asked, problem], [0, "expired-job"]);
});

/** The reader drew on while the mean of the finished completions was fetched. */
alone(import.meta.url, "completion that nobody waits for is not returned", async () => {
  const { ServiceBackend } = await page("service/service_backend");
  const leaving = new AbortController();
  const result = { type: "images", posterior: { quality: "good" } };
  const done = { ...job, status: "succeeded", finished_at: job.created_at, result };
  const api = {
    submit: async () => job,
    job: async () => job,
    send: async () => stream(block("snapshot", job), block("done", done)),
    marginals: async () => {
      leaving.abort();
      throw new Error("none");
    },
    cancelOnAbort() {},
    forget() {},
  };
  const how = { signal: leaving.signal, onRow() {} };
  assert.deepEqual(
    await new ServiceBackend(api).sample({ name: "m" }, { n: 1 }, how).then(
      () => "answered",
      ({ name }) => name,
    ),
    "AbortError",
  );
});

/** The reader drew on while the model was fetched: tiles of the drawing before are not laid. */
alone(import.meta.url, "model that comes too late begins no drawing", async () => {
  const { backend, setLoader } = await browserBackend();
  const leaving = new AbortController();
  setLoader(async () => {
    leaving.abort();
    return { complete: async () => ({}), sample: async () => [] };
  });
  const laid = [];
  const how = { signal: leaving.signal, onJob: ({ kind }) => laid.push(kind) };
  const model = { name: "m", digest: "d", identity: "i", width: 2, height: 2, channels: 1, values: 2 };
  const wish = { n: 1, seed: 1, picture: new ImageData(2, 2), hole: new Uint8Array(4) };
  await backend.sample(model, wish, how).catch(() => {});
  await backend.complete(model, wish, how).catch(() => {});
  assert.deepEqual(laid, []);
});

/** Its pictures are addresses within the page, which nobody else can open. */
alone(import.meta.url, "link to a larger picture leads to its job", async () => {
  const { linkTo } = await page("service/share");
  const whole = { ...job, kind: "complete", cutouts: [{}] };
  const given = { image: "blob:http://here/1", mask: "blob:http://here/2" };
  const url = "data:image/png;base64,AAAA";
  const link = await linkTo(whole, [], given);
  const small = await linkTo({ ...job, kind: "complete" }, [], { image: url, mask: url });
  assert.deepEqual(link, "complete/a");
  assert.ok(small.startsWith("complete?"));
  assert.ok(small.includes("image=AAAA&mask=AAAA"), small);
});

/** A blob URL is made when a job is given the pictures, and once. */
alone(import.meta.url, "code of a form keeps no files in memory", async () => {
  const { cropOf } = await page("service/requests");
  let made = 0;
  URL.createObjectURL = () => `blob:${(made += 1)}`;
  const file = new Blob(["x"]);
  const request = cropOf({ name: "m", palette: null }, file, file, { n: 1 });
  const before = made;
  const given = { image: "blob:1", mask: "blob:2" };
  assert.deepEqual([before, request.given, request.given], [0, given, given]);
});

/** Even if nobody closes it, as when a computer has slept or a router has forgotten it. Comments keep it alive. */
alone(import.meta.url, "connection that says nothing is given up", async () => {
  const { parse } = await page("service/events");
  const cancelled = [];
  const silent = new ReadableStream({
    async start(controller) {
      const send = (text) => controller.enqueue(new TextEncoder().encode(text));
      send(block("snapshot", job));
      for (let i = 0; i < 4; i++) {
        await new Promise((resolve) => setTimeout(resolve, 150));
        send(": ping\n\n");
      }
      send(block("row", { y: 0 }));
    },
    cancel: () => void cancelled.push(true),
  });
  const found = [];
  for await (const { name } of parse(silent, 400)) found.push(name);
  await settle();
  assert.deepEqual([found, cancelled], [["snapshot", "row"], [true]]);
});

/** A worker may end by an error long after it has loaded its model. */
alone(import.meta.url, "model whose worker has died is loaded again", async () => {
  const { BrowserBackend } = await page("service/browser_backend");
  const workers = [];
  globalThis.Worker = class {
    constructor() {
      workers.push(this);
    }
    addEventListener(name, act) {
      this[name] = act;
    }
    terminate() {}
    postMessage({ id, call }) {
      const result = call === "load" ? { name: "m" } : workers.length;
      queueMicrotask(() => /** @type {any} */ (this).message({ data: { id, result } }));
    }
  };
  document.baseURI = `${PAGE}/`;
  const engine = "../../../engine/";
  const api = { portable: async () => ({ digest: "d", identity: "i", engine, model: "m/" }) };
  const backend = new BrowserBackend({ api, info: {}, models: {} });
  const model = { name: "m", digest: "d", identity: "i", width: 1, height: 1, channels: 1, values: 2 };
  const wish = { picture: new ImageData(1, 1) };
  const how = { signal: new AbortController().signal };
  const score = async () => (await backend.score(model, wish, how)).score.nats;
  const first = await score();
  workers[0].error();
  const second = await score();
  const made = workers.length;
  assert.deepEqual([first, second, made], [1, 2, 2]);
});

/** Otherwise the link to today's pixels leads to where the page already is, and does nothing. */
alone(import.meta.url, "another picture leaves the address of today's", async () => {
  const addresses = [];
  const onJob = (place) => {
    addresses.push(place);
    view.open(place);
  };
  const { backend, element, view } = await bet({ onJob });
  const seeds = [];
  const { sample } = backend;
  backend.sample = (model, { seed }) => {
    seeds.push(seed);
    return sample();
  };
  view.open("seed=20260119&of=10&model=m");
  await settle();
  element.querySelector("[data-act=again]").click();
  await settle();
  const { seed, model: name } = Object.fromEntries(new URLSearchParams(addresses[0]));
  const own = [name, seeds[1] === Number(seed)];
  view.open("seed=20260119&of=10&model=m");
  await settle();
  assert.deepEqual([own, addresses.length, seeds[2]], [["m", true], 1, 20260119]);
});

/** Whoever opens it draws all rows, which are not the bytes of a canceled job. */
alone(import.meta.url, "link of incomplete images states no bytes", async () => {
  const { linkTo } = await page("service/share");
  const { Painting } = await page("pixels/painting");
  const painting = new Painting(job, null);
  const hashIn = async () => new URLSearchParams((await linkTo(job, [painting], {})).split("?")[1]).get("sha256");
  painting.put({ stage: "final", y: 0, pixels: "AAA=" });
  const part = await hashIn();
  painting.put({ stage: "final", y: 1, pixels: "AAA=" });
  const whole = await hashIn();
  assert.deepEqual([part, whole.length], ["", 64]);
});

/** Its header states one pixel; the stream has millions, and could fill the memory. */
alone(import.meta.url, "png that unpacks to more than it states is not unpacked", async () => {
  const { pixelsOf, readPng } = await import(`${PAGE}/../../../engine/png.js`);
  const chunk = (kind, content) => {
    const named = Buffer.concat([Buffer.from(kind), content]);
    const bytes = Buffer.alloc(named.length + 8);
    bytes.writeUInt32BE(content.length);
    named.copy(bytes, 4);
    bytes.writeUInt32BE(crcOf(named), named.length + 4);
    return bytes;
  };
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const header = chunk("IHDR", Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]));
  // The first stream has no end, so a reader that unpacks all of it finds it damaged.
  const endless = deflateSync(Buffer.alloc(2 ** 22), { finishFlush: constants.Z_FULL_FLUSH });
  const outcomes = [];
  for (const data of [endless, deflateSync(Buffer.alloc(2)), deflateSync(Buffer.alloc(1))]) {
    const file = Buffer.concat([signature, header, chunk("IDAT", data), chunk("IEND", Buffer.alloc(0))]);
    const pixels = pixelsOf(readPng(new Uint8Array(file)));
    outcomes.push(
      await pixels.then(
        ({ length }) => length,
        ({ message }) => message,
      ),
    );
  }
  assert.deepEqual(outcomes, [
    "the PNG is damaged: it has more pixels than its header states",
    1,
    "the PNG is damaged: it lacks pixels",
  ]);
});

/** Return the checksum of a PNG's chunk. */
function crcOf(bytes) {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit += 1) sum = (sum >>> 1) ^ (sum & 1 && 0xedb88320);
  }
  return ~sum >>> 0;
}

/** Forms wait for it, and their buttons with them. */
alone(import.meta.url, "example is requested again soon after the server is back", async () => {
  decodeAtOnce();
  const { examplesFor } = await page("service/examples");
  const waits = [];
  let lost = 12;
  globalThis.Image = class {
    height = 2;
    width = 2;
    decode() {
      if (lost--) throw new Error("lost");
    }
  };
  globalThis.setTimeout = (act, ms) => {
    waits.push(ms);
    queueMicrotask(act);
  };
  await examplesFor(modelOf({}), { width: 2, height: 2 });
  assert.deepEqual([waits.length, waits.slice(0, 3), Math.max(...waits)], [12, [500, 1000, 2000], 8000]);
});

/** Nothing was estimated of it, as by the service. */
alone(import.meta.url, "clamped completion of the browser is not called poor", async () => {
  decodeAtOnce();
  const { backend, setLoader } = await browserBackend();
  const { receiptOf } = await page("service/api");
  const clamped = { images: [], receipt: { exact: true, quality: null }, mean: null };
  const good = { ...clamped, receipt: { exact: false, quality: "good" } };
  const answers = [clamped, good];
  setLoader(async () => ({ complete: async () => answers.shift() }));
  const wish = { n: 1, seed: 1, picture: new ImageData(2, 2), hole: new Uint8Array(4) };
  const how = { signal: new AbortController().signal };
  const model = modelOf({ digest: "d", identity: "i" });
  const receipts = [];
  for (const method of ["clamp", "posterior"])
    receipts.push(receiptOf((await backend.complete(model, { ...wish, method }, how)).job));
  assert.deepEqual(receipts, [null, { exact: false, quality: "good" }]);
});

/** Another model may have the name of a job by now, as after a second training. */
alone(import.meta.url, "figures are those of the weights that drew", async () => {
  decodeAtOnce();
  const { modelOf: modelOfJob } = await page("service/choice");
  const cases = [
    {},
    { digest: "e", identity: "j" },
    { identity: "j" },
    { identity: null },
    { identity: null, digest: "e" },
    { name: "other" },
  ];
  const own = { digest: "d", identity: "i" };
  const found = cases.map((more) => modelOfJob([modelOf({ ...own, ...more })], job) !== null);
  assert.deepEqual(found, [true, false, false, true, false, false]);
});

/** With -F curl reads the file that a text names behind an at sign. */
alone(import.meta.url, "code sends a text as it is", async () => {
  const { curlOf } = await page("service/code_examples");
  const place = { origin: "http://here", isGuarded: false };
  const lineOf = (label) => curlOf({ kind: "complete", fields: { label }, files: { image: "given.png" } }, place);
  const lines = ["seven", "@home", "a;type=b"].map(lineOf);
  const options = lines.map((line) => line.split("\\\n")[2].trim());
  assert.deepEqual(options, ["-F label=seven", "--form-string label=@home", "--form-string label='a;type=b'"]);
});

/** The page asks for the models again only when both requests have ended. */
alone(import.meta.url, "request for the limits is given up", async () => {
  const { Api } = await page("service/api");
  AbortSignal.timeout = () => AbortSignal.abort(new DOMException("late", "TimeoutError"));
  globalThis.fetch = (path, { signal }) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) reject(signal.reason);
      setTimeout(() => resolve(new Response("{}")), 20);
    });
  assert.deepEqual(
    await new Api().info().then(
      () => "answered",
      ({ constructor: { name } }) => name,
    ),
    "Unreachable",
  );
});

/** It was copied with a character that nobody sees; the tab may have it from an earlier version of the page. */
for (const stored of ["", "go\u200bod"]) {
  alone(import.meta.url, `key that no header can contain is asked for again, instead of "${stored}"`, async () => {
    const texts = new Map(stored ? [["pixelrnn.key", stored]] : []);
    const setItem = (key, text) => texts.set(key, text);
    globalThis.sessionStorage = { getItem: (key) => texts.get(key) ?? null, setItem };
    const api = await guardedApi();
    const keys = ["good\u200b", "go\u2013od", "good"];
    api.askForKey = async () => keys.shift();
    const models = await api.models();
    assert.deepEqual([models, keys, texts.get("pixelrnn.key")], [[], [], "good"]);
  });
}

/** The request that is sent again with the key has the whole limit before it. */
alone(import.meta.url, "time for entering the key does not count", async () => {
  const api = await guardedApi();
  const limits = [];
  AbortSignal.timeout = () => {
    const limit = new AbortController();
    limits.push(limit);
    return limit.signal;
  };
  api.askForKey = async () => {
    for (const limit of limits) limit.abort(new DOMException("late", "TimeoutError"));
    return "good";
  };
  assert.deepEqual(await api.models(), []);
});

/** The server was upgraded since the page was opened: its new code needs what the loaded modules lack. */
alone(import.meta.url, "code of a view that does not fit is not waited for", async () => {
  const upgraded = mkdtempSync(`${tmpdir()}/page-`);
  cpSync(new URL(PAGE), upgraded, { recursive: true });
  const view = 'import {newIn} from "../service/problems.js"; export const CompleteView = newIn;';
  writeFileSync(`${upgraded}/views/complete_view.js`, view);
  try {
    const { ROOMS } = await import(`${upgraded}/rooms.js`);
    const { explain } = await import(`${upgraded}/service/problems.js`);
    const room = ROOMS.flat().find(({ place }) => place === "complete");
    for (const [answer, words] of [
      [() => new Response(""), "could not be loaded"],
      [() => new Response("", { status: 502 }), "does not answer"],
      [() => Promise.reject(new TypeError("network")), "does not answer"],
    ]) {
      globalThis.fetch = async () => /** @type {any} */ (answer)();
      const sentence = await room.make(null, {}).catch((error) => explain(error).text);
      assert.ok(sentence.includes(words), sentence);
    }
  } finally {
    rmSync(upgraded, { recursive: true });
  }
});

/** They were on their way from the worker when the reader painted on. */
alone(import.meta.url, "images of the browser that nobody waits for are not returned", async () => {
  decodeAtOnce();
  const { backend, setLoader } = await browserBackend();
  /** @type {any} */
  let leaving;
  const done = { images: [], receipt: { quality: "good" }, mean: null };
  setLoader(async () => ({
    sample: async () => {
      leaving.abort();
      return [];
    },
    complete: async () => {
      leaving.abort();
      return done;
    },
  }));
  const wish = { n: 1, seed: 1, picture: new ImageData(2, 2), hole: new Uint8Array(4) };
  const model = modelOf({ digest: "d", identity: "i" });
  const outcomes = [];
  for (const call of ["sample", "complete"]) {
    leaving = new AbortController();
    const answer = backend[call](model, wish, { signal: leaving.signal });
    outcomes.push(
      await answer.then(
        () => "answered",
        ({ name }) => name,
      ),
    );
  }
  assert.deepEqual(outcomes, ["AbortError", "AbortError"]);
});
