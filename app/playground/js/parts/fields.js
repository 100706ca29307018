/** Form fields, and error messages beside them. */

import { announce, el, find, uniqueId } from "./dom.js";
import { explain, Unreachable } from "../service/problems.js";

/** @import {Signal} from "../signal.js" */

/**
 * Return a form field: a label, a control and room for an error message.
 *
 * @param {string} name - Name of the field, to which error messages refer.
 * @param {string} label - Text of the label.
 * @param {HTMLElement} control - Its id is changed.
 * @param {...(Node | null)} beside - Elements beside the control.
 * @returns {HTMLDivElement}
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
 * Return a fieldset with several controls and room for an error message.
 *
 * @param {string} name - Name of the field, to which error messages refer.
 * @param {string} legend - Text of the heading.
 * @param {...(Node | null)} children
 * @returns {HTMLFieldSetElement}
 */
export function group(name, legend, ...children) {
  const error = troubleLine();
  const set = el("fieldset", { class: "field", "data-field": name, "aria-describedby": error.id });
  set.append(el("legend", {}, legend), .../** @type {Node[]} */ (children.filter(Boolean)), error);
  return set;
}

/** Return an empty, hidden error message. */
function troubleLine() {
  return el("p", { class: "trouble", id: uniqueId("trouble"), hidden: true });
}

/**
 * Hide an error message when its field is changed, and when a server that did not
 * answer is back. Adds listeners to the form.
 *
 * @param {HTMLElement} form
 * @param {Signal<boolean>} isOnline - Whether the server answers.
 */
export function clearTroubleOnChange(form, isOnline) {
  for (const event of ["input", "change", "click"]) {
    form.addEventListener(event, ({ target }) => {
      const place = /** @type {HTMLElement} */ (target).closest?.("[data-field]:not([data-field=form])");
      if (place) clearTrouble(/** @type {HTMLElement} */ (place));
    });
  }
  let wasOnline = isOnline.value;
  isOnline.watch((isNow) => {
    // Each poll that is answered sets the value again.
    const isBack = isNow && !wasOnline;
    wasOnline = isNow;
    if (isBack) for (const line of form.querySelectorAll(".trouble[data-unreachable]")) hide(line);
  });
}

/**
 * Hide all error messages below an element.
 *
 * @param {HTMLElement} place - A form, or a field of it.
 */
export function clearTrouble(place) {
  for (const line of place.querySelectorAll(".trouble")) hide(line);
  for (const control of place.querySelectorAll("[aria-invalid]")) control.removeAttribute("aria-invalid");
}

/** @param {Element} line */
function hide(line) {
  /** @type {HTMLElement} */ (line).hidden = true;
}

/**
 * Show the sentence that explains an error beside its field, focus the field, and
 * announce the sentence.
 *
 * If the form has no such field, the sentence is shown beside its button. All other
 * messages of the form are hidden.
 *
 * @param {HTMLElement} form
 * @param {unknown} error - Anything that was thrown.
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
 * Return the form's button with room for an error message that belongs to no field.
 *
 * @param {string} text - Text of the button.
 * @returns {HTMLDivElement}
 */
export function submitRow(text) {
  return el(
    "div",
    { class: "field submit", "data-field": "form" },
    el("button", { class: "primary", type: "submit" }, text),
    el("p", { class: "trouble", hidden: true }),
  );
}
