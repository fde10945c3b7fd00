/** The route of a search, over the tree that it went through. */

import { onBoundary } from "./mobius.js";
import { blank, circle, dot, picture, trace } from "./pens.js";
import { beside } from "./rim.js";

/** The way of a search over the tree: what it kept at each level, the leaves that it scanned, and what it found. */
export function route(context, scene, state) {
  const { view, palette, route: found } = state;
  const reached = scene.branches.filter((one) => found.shown(one.node));
  context.lineCap = "round";
  for (const [width, alpha] of [
    [9, 0.18],
    [2.6, 1],
  ]) {
    context.lineWidth = width;
    context.strokeStyle = palette.accent;
    for (const one of reached) {
      if (!one.above) continue;
      context.globalAlpha = alpha * found.glow(one.node);
      context.beginPath();
      trace(context, view, one.above.at, one.at);
      context.stroke();
    }
  }
  for (const one of reached) {
    const [x, y] = view.pixels(one.at);
    const leaf = found.probed.has(one.node.id),
      kept = found.kept.has(one.node.id);
    if (!leaf && !kept && one.above) continue;
    const beat = leaf ? 5.5 + 2 * found.beat(one.node) : 4.5;
    context.globalAlpha = found.glow(one.node);
    circle(context, x, y, beat);
    context.fillStyle = leaf ? palette.accent : palette.disk;
    context.fill();
    context.lineWidth = 2;
    context.strokeStyle = palette.accent;
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** What was found, around the disk where it belongs, moved only as far as needed to cover no other. */
export function hits(context, state, targets) {
  const { view, palette, pictures, route: found } = state;
  const shown = found.hitsShown();
  const { angles, places, size } = found.around;
  if (found.origin) asked(context, state);
  shown.forEach((hit, i) => {
    const from = view.radius + 3,
      at = beside(view, places[i], size, 12);
    context.strokeStyle = palette.accent;
    context.lineWidth = 1.2;
    context.beginPath();
    context.moveTo(view.x + from * Math.cos(angles[i]), view.y - from * Math.sin(angles[i]));
    context.lineTo(...at);
    context.stroke();
    const bitmap = pictures.there ? pictures.bitmap(hit.id) : null;
    blank(context, at, size + 4, palette.paper);
    if (bitmap) picture(context, bitmap, at, size, palette.accent, hit.rank === 1 ? 3.5 : 2);
    else dot(context, at, size, palette.accent, hit.rank);
    targets.push({ x: at[0], y: at[1], reach: size / 2 + 2, one: { node: { id: hit.leaf } }, item: hit });
  });
}

/** On the rim, the point that the search asked with. */
function asked(context, { view, palette, route: found }) {
  const [x, y] = view.pixels(view.where(onBoundary(found.origin.turn)));
  circle(context, x, y, 6);
  context.fillStyle = palette.paper;
  context.fill();
  context.lineWidth = 3;
  context.strokeStyle = palette.ink;
  context.stroke();
}
