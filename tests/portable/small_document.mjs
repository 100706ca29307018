/**
 * As much of a document as views and parts of the page need outside a browser: elements
 * keep what is set, and an element that is looked for by a selector exists. Imported for
 * its effect on the global object, before modules of the page.
 */

const getImageData = (_x, _y, width, height) => new SmallImageData(width, height);
const brush = new Proxy({}, { get: (_, name) => (name === "getImageData" ? getImageData : () => {}), set: () => true });

class Style {
  setProperty() {}
}

class Node {}

class SmallElement extends Node {
  hidden = false;
  disabled = false;
  value = "";
  dataset = {};
  style = new Style();
  classList = { add() {}, remove() {}, toggle() {} };
  children = [];
  parentElement = null;
  #text = "";
  #attributes = new Map();
  #listeners = new Map();
  #found = new Map();

  constructor(tag = "") {
    super();
    this.tag = tag;
  }
  append(...children) {
    this.children.push(...children);
    this.#adopt(children);
  }
  add(child) {
    this.append(child);
  }
  prepend(...children) {
    this.children.unshift(...children);
    this.#adopt(children);
  }
  replaceChildren(...children) {
    this.#text = "";
    this.children = children;
    this.#adopt(children);
  }
  #adopt(children) {
    for (const child of children) if (child instanceof SmallElement) child.parentElement = this;
  }
  after() {}
  before() {}
  remove() {}
  focus() {}
  scrollIntoView() {}
  closest() {
    return null;
  }
  cloneNode() {
    return new SmallElement();
  }
  /** Content of a template. */
  get content() {
    return this;
  }
  get firstElementChild() {
    return (this.children[0] ??= new SmallElement());
  }
  get lastElementChild() {
    return this.children.at(-1) ?? null;
  }
  get textContent() {
    return this.#text + this.children.map((child) => child.textContent ?? String(child)).join("");
  }
  set textContent(text) {
    this.children = [];
    this.#text = String(text);
  }
  setAttribute(name, value) {
    this.#attributes.set(name, String(value));
  }
  getAttribute(name) {
    return this.#attributes.get(name) ?? (name === "value" ? this.value : null);
  }
  hasAttribute(name) {
    return this.#attributes.has(name);
  }
  removeAttribute(name) {
    this.#attributes.delete(name);
  }
  toggleAttribute(name, isSet) {
    if (isSet) this.setAttribute(name, "");
    else this.removeAttribute(name);
  }
  addEventListener(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
  }
  /** Call the listeners of an event, which has the fields of `more`. */
  fire(name, more = {}) {
    for (const listener of this.#listeners.get(name) ?? []) listener({ target: this, preventDefault() {}, ...more });
  }
  click() {
    this.fire("click");
    if (this.tag === "input") this.fire("change");
  }
  requestSubmit() {
    this.fire("submit");
  }
  querySelector(selector) {
    if (!this.#found.has(selector)) this.#found.set(selector, new SmallElement());
    return this.#found.get(selector);
  }
  /** Only "input" and "input:checked" are looked for. */
  querySelectorAll(selector) {
    if (!selector.startsWith("input")) return [];
    const below = this.children.filter((child) => child instanceof SmallElement);
    const inputs = below.flatMap((child) => [
      ...(child.tag === "input" ? [child] : []),
      ...child.querySelectorAll("input"),
    ]);
    return selector === "input:checked" ? inputs.filter(({ checked }) => checked) : inputs;
  }
  getContext() {
    return brush;
  }
  toBlob(receive) {
    receive(new Blob(["picture"], { type: "image/png" }));
  }
  /** Options of a select element. */
  get options() {
    return this.children;
  }
  toDataURL() {
    return "data:image/png;base64,AAAA";
  }
}

class SmallImageData {
  constructor(first, second, third) {
    const isData = typeof first !== "number";
    this.width = isData ? second : first;
    this.height = isData ? (third ?? first.length / 4 / second) : second;
    this.data = isData ? first : new Uint8ClampedArray(4 * this.width * this.height);
  }
}

/** Functions that the next animation frame calls. */
export const frames = [];

/** Let one animation frame happen `ms` milliseconds after now. */
export function frame(ms = 0) {
  for (const step of frames.splice(0)) step(performance.now() + ms);
}

/** Wait until everything that waits for nothing has run. */
export async function settle() {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

const body = new SmallElement();
Object.assign(globalThis, {
  navigator: { languages: ["en"] },
  Node,
  Element: SmallElement,
  HTMLElement: SmallElement,
  Option: SmallElement,
  Image: SmallElement,
  ImageData: SmallImageData,
  CSS: { escape: String },
  ResizeObserver: class {
    observe() {}
  },
  document: Object.assign(new SmallElement(), {
    body,
    hidden: false,
    // The page is not one file: no element contains another file.
    querySelector: (selector) => (selector.startsWith("script") ? null : body.querySelector(selector)),
    createElement: (tag) => new SmallElement(tag),
    createElementNS: () => new SmallElement(),
  }),
  location: { hash: "", href: "http://here/", origin: "http://here" },
  matchMedia: () => ({ matches: false, addEventListener() {} }),
  addEventListener() {},
  innerHeight: 800,
  requestAnimationFrame: (step) => frames.push(step),
  cancelAnimationFrame: () => frames.splice(0),
});
/** @type {any} */
const Open = SmallElement;
export { Open as SmallElement };
