/** Elements from plain values. Texts are set as texts: ids and payload come from strangers. */

/** An element with attributes (`on` maps events to listeners; null, undefined and false leave one out). */
export function el(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  for (const child of children.flat()) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** A button of that class; `more` are other listeners and attributes. */
export function button(kind, click, children, { on = {}, ...more } = {}) {
  return el("button", { type: "button", class: kind, on: { click, ...on }, ...more }, children);
}

export function list(tag, kind, items) {
  const rows = items.map((item) => el("li", {}, item));
  return el(tag, { class: kind }, rows);
}

export function number(value) {
  return value.toLocaleString("en-US");
}

/** A number with three figures. */
export function short(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "–";
}
