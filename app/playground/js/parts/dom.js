/** Making and finding elements: the few words that every view would otherwise repeat. */

/**
 * A new element. Properties are set as such, except `class`, `data-*`, `aria-*`, `role`, `for` and `list` (attributes)
 * and `on` (listeners by event name). Children that are strings become text.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string | null | undefined)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) node.addEventListener(event, listener);
    } else if (/^(class|role|for|list|data-.*|aria-.*)$/.test(name)) {
      node.setAttribute(name, String(value));
    } else {
      /** @type {any} */ (node)[name] = value;
    }
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/**
 * The element below `root` that must be there.
 *
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {any}
 */
export function find(root, selector) {
  const node = root.querySelector(selector);
  if (!node) throw new Error(`the page lacks ${selector}`);
  return node;
}

/**
 * A copy of a `<template>` of the page.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function cloneTemplate(id) {
  const copy = find(document, `template#${id}`).content.firstElementChild.cloneNode(true);
  copy.removeAttribute("id");
  return copy;
}

/** A colour to choose. @param {string} colour @param {string} name @param {() => void} take @param {any} [value] */
export function swatch(colour, name, take, value = colour) {
  const look = { type: "button", class: "swatch", title: name, "aria-label": name };
  const button = el("button", { ...look, value, on: { click: take } });
  button.style.background = colour;
  return button;
}

/**
 * Say something to people who listen instead of looking.
 *
 * @param {string} text
 */
export function announce(text) {
  find(document, "#announcer").textContent = text;
}

/** Whether keys that are pressed there write text. @param {EventTarget | null} place */
export function isTextInput(place) {
  return place instanceof HTMLInputElement && !["range", "radio", "checkbox", "file"].includes(place.type);
}

let lastId = 0;

/**
 * An id that nothing else on the page has.
 *
 * @param {string} prefix
 */
export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
