/** Icons for buttons, drawn with strokes in the colour of the text. */

const SPACE = "http://www.w3.org/2000/svg";

/**
 * Name -> SVG path in a square of 20 units.
 *
 * @type {Record<string, string>}
 */
const STROKES = {
  dice: "M4 4h12v12H4z M7.5 7.5v.01 M12.5 7.5v.01 M10 10v.01 M7.5 12.5v.01 M12.5 12.5v.01",
  rectangle: "M4 5h12v10H4z",
  undo: "M7 5 4 8l3 3 M4 8h8a4 4 0 0 1 0 8H8",
  redo: "M13 5l3 3-3 3 M16 8H8a4 4 0 0 0 0 8h4",
  copy: "M7 7V4h9v9h-3 M4 7h9v9H4z",
  again: "M15.5 8A6 6 0 1 0 16 11 M16 4v4h-4",
  close: "M5 5l10 10 M15 5 5 15",
  download: "M10 4v9 M6 9.5 10 13.5l4-4 M4.5 16.5h11",
  left: "M12 5 7 10l5 5",
  right: "M8 5l5 5-5 5",
  picture: "M4 5h12v10H4z M4 13l3.5-3.5 3 3 2-2L16 14 M12.5 8v.01",
};

/**
 * Return an icon as a new SVG element, hidden from screen readers.
 *
 * @param {string} name - A name of STROKES.
 * @returns {SVGSVGElement}
 */
export function icon(name) {
  const drawing = document.createElementNS(SPACE, "svg");
  drawing.setAttribute("viewBox", "0 0 20 20");
  drawing.setAttribute("aria-hidden", "true");
  drawing.classList.add("drawing");
  const line = document.createElementNS(SPACE, "path");
  line.setAttribute("d", STROKES[name]);
  drawing.append(line);
  return drawing;
}
