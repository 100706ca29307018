/** Form fields, and words of trouble beside the one that caused it, for as long as its cause lasts. */

import { announce, el, find, uniqueId } from "./dom.js";
import { explain, Unreachable } from "../service/problems.js";

/** @import {Signal} from "../signal.js" */

/**
 * A labelled control with room for a hint and for what is wrong.
 *
 * @param {string} name
 * @param {string} label
 * @param {HTMLElement} control
 * @param {...(Node | null)} beside
 */
export function field(name, label, control, ...beside) {
  control.id = uniqueId(name);
  const error = troubleLine();
  control.setAttribute("aria-describedby", error.id);
  return el(
    "div",
    { class: "field", "data-field": name },
    el("label", { for: control.id }, label),
    el("div", { class: "control" }, control, ...beside),
    error,
  );
}

/**
 * Several controls under one heading.
 *
 * @param {string} name
 * @param {string} legend
 * @param {...(Node | null)} children
 */
export function group(name, legend, ...children) {
  const error = troubleLine();
  const set = el("fieldset", { class: "field", "data-field": name, "aria-describedby": error.id });
  set.append(el("legend", {}, legend), .../** @type {Node[]} */ (children.filter(Boolean)), error);
  return set;
}

function troubleLine() {
  return el("p", { class: "trouble", id: uniqueId("trouble"), hidden: true });
}

/** Trouble goes when its field is changed, or when a server that did not answer is back. @param {HTMLElement} form @param {Signal<boolean>} isOnline */
export function clearTroubleOnChange(form, isOnline) {
  for (const event of ["input", "change", "click"]) {
    form.addEventListener(event, ({ target }) => {
      const place = /** @type {HTMLElement} */ (target).closest?.("[data-field]:not([data-field=form])");
      if (place) clearTrouble(/** @type {HTMLElement} */ (place));
    });
  }
  isOnline.watch((isBack) => {
    if (isBack) for (const line of form.querySelectorAll(".trouble[data-unreachable]")) hide(line);
  });
}

/** @param {HTMLElement} place a form, or a field of it */
export function clearTrouble(place) {
  for (const line of place.querySelectorAll(".trouble")) hide(line);
  for (const control of place.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/** @param {Element} line */
function hide(line) {
  /** @type {HTMLElement} */ (line).hidden = true;
}

/**
 * Say what went wrong: beside the field that it is about when the form has it, else beside the button.
 *
 * @param {HTMLElement} form
 * @param {unknown} error
 */
export function showTrouble(form, error) {
  clearTrouble(form);
  const { text, field: name } = explain(error);
  const place = name ? form.querySelector(`[data-field="${CSS.escape(name)}"]`) : null;
  const line = find(place || find(form, "[data-field=form]"), ".trouble");
  for (const fold of form.querySelectorAll("details")) if (place && fold.contains(place)) fold.open = true;
  line.textContent = text;
  line.hidden = false;
  line.toggleAttribute("data-unreachable", error instanceof Unreachable);
  /** @type {HTMLElement | null} */
  const control = place && place.querySelector("input:not([type=radio], [type=file]), [tabindex]");
  if (control) {
    control.setAttribute("aria-invalid", "true");
    control.focus();
  }
  announce(text);
}

/**
 * The button that starts the work, and the place for trouble without a field.
 *
 * @param {string} text
 */
export function submitRow(text) {
  return el(
    "div",
    { class: "field submit", "data-field": "form" },
    el("button", { class: "primary", type: "submit" }, text),
    el("p", { class: "trouble", hidden: true }),
  );
}
