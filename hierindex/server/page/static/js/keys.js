/** The keyboard: the tree is walked as one would expect, and nothing needs a mouse. */

/**
 * @param {HTMLElement} stage where arrows walk @param {object} on {parent, child, beside, open, zoom, home, clear}
 * @param {() => void} search puts the cursor into the search
 */
export function listen(stage, on, search) {
  const walk = {
    ArrowUp: () => on.parent(),
    ArrowDown: () => on.child(),
    ArrowLeft: () => on.beside(-1),
    ArrowRight: () => on.beside(1),
    Enter: () => on.open(),
    "+": () => on.zoom(1),
    "=": () => on.zoom(1),
    "-": () => on.zoom(-1),
    h: () => on.home(),
    Home: () => on.home(),
  };
  stage.addEventListener("keydown", (event) => {
    const step = event.ctrlKey || event.metaKey || event.altKey ? null : walk[event.key];
    if (!step) return;
    event.preventDefault();
    step();
  });
  document.addEventListener("keydown", (event) => {
    const writing = event.target instanceof HTMLInputElement && event.target.type !== "range";
    if (event.key === "/" && !writing) {
      event.preventDefault();
      search();
    } else if (event.key === "Escape" && !document.querySelector("dialog[open]")) {
      on.clear();
      stage.focus();
    }
  });
}

/** The branch beside a node at its depth, as far as the tree is known: its sibling, or a cousin further on. */
export function neighbour(forest, node, step) {
  if (node.parent === null) return null;
  const level = [];
  const waiting = [forest.get(forest.root)];
  while (waiting.length) {
    const one = waiting.pop();
    if (!one || !one.count) continue;
    if (one.depth === node.depth) level.push(one);
    else waiting.push(...one.children.map((id) => forest.get(id)));
  }
  level.sort((a, b) => a.arc[0] - b.arc[0]);
  const at = level.findIndex((one) => one.id === node.id);
  return level[(at + step + level.length) % level.length];
}
