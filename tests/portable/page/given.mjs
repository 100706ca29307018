/** What tests of the page's modules begin with. Call these functions only within a test. */
import { settle } from "../small_document.mjs";

export { frame, frames, settle, SmallElement } from "../small_document.mjs";

export const PAGE = new URL("../../../app/playground/js", import.meta.url).href;

/** Import a module of the page, as "service/events". */
export const page = (name) => import(`${PAGE}/${name}.js`);

export const job = {
  id: "a",
  kind: "sample",
  model: "m",
  seed: 1,
  n: 1,
  temperature: 1,
  width: 2,
  height: 2,
  channels: 1,
  values: 2,
  status: "running",
  progress: 0.5,
  created_at: "2026-01-01T00:00:00Z",
  finished_at: null,
  result: null,
  small_width: 0,
  small_height: 0,
  eta_s: null,
  digest: "d",
  identity: "i",
  rows_done: 0,
  label: null,
};
export const block = (name, data) => `event: ${name}\nid: 1-0\ndata: ${JSON.stringify(data)}\n\n`;
export const stream = (...blocks) => new Response(blocks.join(""));

/** Return a model as the service describes it, whose pictures decode at once. */
export function modelOf(more) {
  return {
    name: "m",
    data: "MNIST",
    title: "",
    network: "row-lstm",
    width: 2,
    height: 2,
    channels: 1,
    values: 2,
    members: ["none"],
    labels: [],
    can: ["sample", "score", "complete"],
    methods: ["posterior"],
    small_width: 0,
    test_bits_per_dim: 1,
    test_nats: null,
    compiling: false,
    parameters: 1,
    palette: null,
    names: [],
    max_particles: 32,
    ...more,
  };
}

/** Let every picture decode at once, to 2 x 2 pixels. */
export function decodeAtOnce() {
  globalThis.Image = class {
    height = 2;
    width = 2;
    decode() {}
  };
  globalThis.createImageBitmap = async () => ({ width: 2, height: 2 });
}

/** Return what views share, and its models. */
export async function shared() {
  const { Signal } = await page("signal");
  const { History } = await page("service/history");
  const models = new Signal([]);
  const sharedWith = (more) => ({
    history: new History(),
    models,
    info: new Signal(null),
    isOnline: new Signal(true),
    onJob() {},
    ...more,
  });
  return { models, sharedWith };
}

/** Return what draws in the browser, and a function that sets the loader of its engine. */
export async function browserBackend() {
  const { BrowserBackend, setLoader } = await page("service/browser_backend");
  const api = { portable: async () => ({ digest: "d", identity: "i", engine: "e", model: "m" }) };
  return { backend: new BrowserBackend({ api, info: {}, models: {} }), setLoader };
}

/** Return the view of the bet with one model, whose pictures have four pixels. */
export async function bet(more = {}) {
  const { models, sharedWith } = await shared();
  const { BetView } = await page("views/bet_view");
  models.value = [modelOf({ can: ["sample", "score"] })];
  const picture = new ImageData(2, 2);
  const map = {
    bits: [
      [[1], [1]],
      [[1], [1]],
    ],
  };
  const backend = {
    isReady: () => true,
    sample: async () => ({ job: { ...job, id: "" }, images: [picture], isHere: true }),
    scoreMap: async () => ({ score: { nats: 4 }, map }),
  };
  const element = document.createElement("section");
  element.querySelector("input[type=range]").value = "50";
  const view = new BetView(element, sharedWith({ api: {}, backend, ...more }));
  const said = (selector) => element.querySelector(selector).textContent;
  return { backend, element, said, view };
}

/** Open the whole page at #bet, with these views in place of its own; each remembers how it was opened. */
export async function wholePage(views) {
  const tabs = Array.from({ length: 5 }, () => document.createElement("a"));
  document.createElement("nav").append(...tabs);
  /** @type {any} */
  const [heard, addresses, opened, given] = [{}, [], [], {}];
  Object.assign(document, {
    documentElement: document.createElement("html"),
    getElementById: (id) => document.body.querySelector(`#${id}`),
    querySelectorAll: (selector) => (selector.startsWith("header") ? tabs : []),
  });
  globalThis.scrollTo = () => {};
  const setAddress = (_, __, address) => {
    addresses.push(address);
    location.hash = address;
  };
  globalThis.history = { replaceState: setAddress, pushState: setAddress };
  globalThis.addEventListener = (name, act, options) => options?.capture || (heard[name] = act);
  globalThis.fetch = async () => new Response("{}", { status: 503 });
  const { ROOMS } = await page("rooms");
  for (const [place, more] of Object.entries(views)) {
    const view = ROOMS.flat().find((one) => one.place === place);
    view.make = (element, shared) => {
      given[place] = shared;
      return { open: (id) => opened.push(`${place}/${id}`), ...more };
    };
  }
  location.hash = "#bet";
  await page("main");
  await settle();
  return {
    addresses,
    given,
    opened,
    tabs,
    notice: () => document.body.querySelector("#notice").textContent,
    async go(address) {
      location.hash = address;
      heard.hashchange?.();
      await settle();
    },
    async drop(items, files) {
      heard.drop({ type: "drop", preventDefault() {}, dataTransfer: { items, files } });
      await settle();
    },
  };
}

/** Return a client of a server whose key is "good". */
export async function guardedApi() {
  globalThis.fetch = async (path, { headers, signal }) => {
    if (signal?.aborted) throw signal.reason;
    if (headers.get("Authorization") === "Bearer good") return new Response('{"models": []}');
    return new Response('{"type": "urn:unauthorized", "title": "", "detail": ""}', { status: 401 });
  };
  const { Api } = await page("service/api");
  return new Api();
}
