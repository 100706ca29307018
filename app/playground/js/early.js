/**
 * Runs before the page is painted, and is no module.
 *
 * The page is light if its switch was set before. If the address names another view
 * than the first one, the first one stays hidden until main.js has read the address.
 */
if (/^#(?!(draw|watch)\b|$)/.test(location.hash)) document.documentElement.dataset.elsewhere = "";
try {
  if (localStorage.getItem("pixelrnn.light")) document.documentElement.dataset.theme = "light";
} catch {
  // This browser keeps nothing.
}
