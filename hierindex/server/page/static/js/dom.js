/** Elements from plain values. Texts are set as texts: ids and payload come from strangers. */

/** @param {string} tag @param {object} props attributes; `on` maps events to listeners, `class` is the class name */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

export function number(value) {
  return value.toLocaleString("en-US");
}

/** A number with three figures. */
export function short(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "–";
}
