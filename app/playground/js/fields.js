/** Form fields, and words of trouble beside the one that caused it. */

import { el, find, uniqueId } from "./dom.js";
import { explain } from "./problems.js";

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

/** @param {HTMLElement} form */
export function clearTrouble(form) {
  for (const line of form.querySelectorAll(".trouble")) /** @type {HTMLElement} */ (line).hidden = true;
  for (const control of form.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
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
  line.textContent = text;
  line.hidden = false;
  /** @type {HTMLElement | null} */
  const control = place && place.querySelector("input:not([type=radio]), [tabindex]");
  if (control) {
    control.setAttribute("aria-invalid", "true");
    control.focus();
  }
  find(document, "#announcer").textContent = text;
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
