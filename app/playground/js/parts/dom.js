/** Make and find elements. */

/**
 * Return a new element.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag - Name of the element.
 * @param {Record<string, any>} [properties] - Set as properties of the element.
 *     `class`, `role`, `for`, `list`, `data-*` and `aria-*` are set as attributes, and
 *     `on` adds listeners by the name of their event.
 * @param {...(Node | string | null | undefined)} children - Nodes, and strings, which
 *     become text. null and undefined are skipped.
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
 * Return the first element below a root that matches a selector.
 *
 * @param {ParentNode} root
 * @param {string} selector
 * @returns {any}
 * @throws {Error} if there is none.
 */
export function find(root, selector) {
  const node = root.querySelector(selector);
  if (!node) throw new Error(`the page lacks ${selector}`);
  return node;
}

/**
 * Return a copy of the content of a template of the page, without an id.
 *
 * @param {string} id - Id of the template.
 * @returns {HTMLElement}
 * @throws {Error} if there is no such template.
 */
export function cloneTemplate(id) {
  const copy = find(document, `template#${id}`).content.firstElementChild.cloneNode(true);
  copy.removeAttribute("id");
  return copy;
}

/**
 * Return a button that shows a colour to choose.
 *
 * @param {string} colour - CSS colour.
 * @param {string} name - Name of the colour, for its title and for screen readers.
 * @param {() => void} take - Called when it is pressed.
 * @param {any} [value] - Value of the button. Default: the colour.
 * @returns {HTMLButtonElement}
 */
export function swatch(colour, name, take, value = colour) {
  const look = { type: "button", class: "swatch", title: name, "aria-label": name };
  const button = el("button", { ...look, value, on: { click: take } });
  button.style.background = colour;
  return button;
}

/**
 * Let screen readers say something. Changes the element #announcer.
 *
 * @param {string} text
 */
export function announce(text) {
  find(document, "#announcer").textContent = text;
}

/**
 * Return true if keys that are pressed in an element write text, so that they must not
 * be shortcuts.
 *
 * @param {EventTarget | null} place
 */
export function isTextInput(place) {
  return place instanceof HTMLInputElement && !["range", "radio", "checkbox", "file"].includes(place.type);
}

/** Number of the last id that was made. */
let lastId = 0;

/**
 * Return an id that no other element of the page has.
 *
 * @param {string} prefix - Beginning of the id.
 */
export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}
