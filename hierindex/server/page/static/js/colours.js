/** The colour of a branch: its place on the boundary is its hue, so that what is near looks alike at every cut. */

const PERCEPTUAL = CSS.supports("color", "oklch(0.5 0.1 20)");

/**
 * @param {number} turn the middle of its arc, 0 to 1
 * @param {number} rank among its neighbours
 * @param {boolean} dark
 */
export function hue(turn, rank, dark) {
  const degrees = (360 * turn + 25) % 360;
  const step = rank % 2 ? 0.09 : 0; // neighbours whose hues are near differ in lightness
  if (!PERCEPTUAL) return `hsl(${degrees.toFixed(0)} 62% ${Math.round(100 * ((dark ? 0.64 : 0.44) + step))}%)`;
  return `oklch(${((dark ? 0.72 : 0.56) + step).toFixed(2)} ${dark ? 0.145 : 0.165} ${degrees.toFixed(1)})`;
}

/** The colours of the page, as its style sheet has them for the light that it is in. */
export function palette() {
  const style = getComputedStyle(document.documentElement);
  const names = ["disk", "disk-edge", "rim", "ink", "faint", "trunk", "accent", "plate", "paper"];
  const colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return { ...colours, dark: matchMedia("(prefers-color-scheme: dark)").matches };
}
