/** One frame: the disk, the branches, what stands on the rim, and the route of a search over it. */

import { hits, route } from "./lit.js";
import { blank, circle, dot, name, picture, trace } from "./pens.js";
import { beside, seats, side } from "./rim.js";

const FULL = 2 * Math.PI;

/**
 * @param {CanvasRenderingContext2D} context @param {object} scene of `compose`
 * @param {object} state {view, pictures, selected, hovered, route, palette, margin, most, font}
 * @returns {{x: number, y: number, reach: number, one: object, item: object | null}[]} what can be pointed at
 */
export function paint(context, scene, state) {
  const { view, palette } = state;
  const targets = [];
  ground(context, view, palette);
  for (const [one, strength] of [
    [state.hovered, 0.1],
    [state.selected, 0.17],
  ]) {
    const seen = one === null ? null : scene.branches.find((each) => each.node.id === one);
    if (seen) cap(context, seen, state, strength);
  }
  branches(context, scene, state);
  const around = seats(scene, palette.trunk);
  state.route?.arrange(view, state.pictures.there ? Math.min(state.most, 46) : 20);
  marks(context, around, state);
  if (state.route) route(context, scene, state);
  const large = hubs(scene, state);
  dots(context, scene, state, large, targets);
  for (const hub of large) drawHub(context, hub, state, targets);
  ring(context, around, state, targets);
  if (state.route) hits(context, state, targets);
  chosen(context, scene, state);
  return targets;
}

function ground(context, view, palette) {
  const glow = context.createRadialGradient(view.x, view.y, 0, view.x, view.y, view.radius);
  glow.addColorStop(0, palette.disk);
  glow.addColorStop(1, palette["disk-edge"]);
  circle(context, view.x, view.y, view.radius);
  context.fillStyle = glow;
  context.fill();
  context.strokeStyle = palette.rim;
  context.lineWidth = 1;
  context.stroke();
}

/** The part of the disk that a branch has for itself: what its geodesic cuts off. */
function cap(context, one, { view, palette }, strength) {
  if (one.wide >= FULL) return;
  const p = [Math.cos(one.from), Math.sin(one.from)];
  const q = [Math.cos(one.from + one.wide), Math.sin(one.from + one.wide)];
  context.beginPath();
  trace(context, view, q, p);
  context.arc(view.x, view.y, view.radius, -one.from, -(one.from + one.wide), true);
  context.closePath();
  context.globalAlpha = strength;
  context.fillStyle = one.colour ?? palette.ink;
  context.fill();
  context.globalAlpha = 1;
}

function branches(context, scene, state) {
  const { view, palette, route: found } = state;
  context.lineCap = "round";
  const drawn = scene.branches.filter((one) => one.above).sort((a, b) => a.px - b.px);
  for (const one of drawn) {
    const lit = found?.shown(one.node);
    context.globalAlpha = found && !lit ? 0.28 : 1;
    context.beginPath();
    trace(context, view, one.above.at, one.at);
    context.strokeStyle = one.colour ?? palette.trunk;
    context.lineWidth = Math.min(7, 0.9 + 5.5 * Math.sqrt(one.wide / FULL));
    context.stroke();
  }
  context.lineWidth = 0.9;
  for (const { leaf, angle, px } of scene.points) {
    context.globalAlpha = (found ? 0.2 : 0.75) * Math.min(1, px / 10);
    context.strokeStyle = leaf.colour ?? palette.trunk;
    context.beginPath();
    trace(context, view, leaf.at, [Math.cos(angle), Math.sin(angle)]);
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** On the rim, each end's own part of it. */
function marks(context, around, { view, route: found }) {
  context.lineCap = "butt";
  context.lineWidth = 3.5;
  for (const { angle, px, colour, point } of around) {
    const half = Math.max(px - 1.6, px * 0.6, 0.5) / view.radius / 2;
    context.globalAlpha = found ? 0.4 : point ? 0.75 : 1;
    context.beginPath();
    context.arc(view.x, view.y, view.radius + 2.5, -(angle + half), -(angle - half));
    context.strokeStyle = colour;
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Where a typical picture goes onto a larger branch: where it covers no other, and the rim not. */
function hubs(scene, state) {
  const { view, pictures } = state;
  const placed = [];
  if (!pictures.there) return placed;
  for (const one of scene.branches.filter((each) => each.colour && !each.end).sort((a, b) => b.px - a.px)) {
    const size = Math.min(state.most * 1.1, one.px * 0.13),
      example = one.node.examples[0];
    if (size < 20) break;
    const [x, y] = view.pixels(one.at);
    const room = view.radius - Math.hypot(x - view.x, y - view.y);
    const clear = placed.every((other) => Math.hypot(x - other.x, y - other.y) > 0.62 * (size + other.size) + 8);
    const other = example && placed.every((each) => each.id !== example.id);
    if (other && clear && room > size * 0.8 && pictures.bitmap(example.id))
      placed.push({ one, x, y, size, id: example.id });
  }
  return placed;
}

function drawHub(context, { one, x, y, size, id }, { pictures, palette, route: found }, targets) {
  context.globalAlpha = found && !found.shown(one.node) ? 0.35 : 1;
  blank(context, [x, y], size + 6, palette.disk);
  picture(context, pictures.bitmap(id), [x, y], size, found?.shown(one.node) ? palette.accent : one.colour, 2);
  context.globalAlpha = 1;
  targets.push({ x, y, reach: size / 2, one, item: null });
}

function dots(context, scene, state, large, targets) {
  const { view, palette } = state;
  for (const one of scene.branches) {
    const [x, y] = view.pixels(one.at);
    if (large.some((hub) => Math.abs(hub.x - x) < hub.size / 2 + 2 && Math.abs(hub.y - y) < hub.size / 2 + 2)) continue;
    const radius = Math.min(6, 1.6 + 0.045 * Math.min(one.px, 100));
    context.globalAlpha = state.route && !state.route.shown(one.node) ? 0.3 : 1;
    circle(context, x, y, radius);
    context.fillStyle = one.colour ?? palette.trunk;
    context.fill();
    if (one.node.children.length && one.px > 40) {
      circle(context, x, y, radius * 0.45);
      context.fillStyle = palette.disk;
      context.fill();
    }
    targets.push({ x, y, reach: Math.max(radius, 9), one, item: null });
  }
  context.globalAlpha = 1;
}

function ring(context, around, state, targets) {
  const { view, pictures, palette, most, margin } = state;
  context.font = `500 11px ${state.font}`;
  for (const seat of around) {
    const covered = state.route?.covers(seat.angle);
    context.globalAlpha = state.route ? (covered ? 0 : 0.3) : 1;
    if (pictures.there) {
      const size = side(seat, most);
      if (!size) continue;
      const at = beside(view, seat.angle, size, 8);
      targets.push({ x: at[0], y: at[1], reach: size / 2 + 2, one: seat.one, item: seat.point ? seat.item : null });
      const bitmap = pictures.bitmap(seat.item.id);
      if (bitmap) picture(context, bitmap, at, size, seat.colour);
      else if (bitmap === undefined) blank(context, at, size, palette.plate);
      else dot(context, at, size, seat.colour);
    } else if (seat.px >= 11) {
      name(context, seat.item.label ?? String(seat.item.id), view, seat.angle, margin - 20, palette.ink);
      const far = view.radius + margin / 2;
      const [x, y] = [view.x + far * Math.cos(seat.angle), view.y - far * Math.sin(seat.angle)];
      targets.push({ x, y, reach: Math.min(seat.px / 2 + 2, 14), one: seat.one, item: seat.point ? seat.item : null });
    }
  }
  context.globalAlpha = 1;
}

/** A ring around what is selected; a fainter one around what is pointed at. */
function chosen(context, scene, { view, palette, selected, hovered }) {
  for (const [id, alpha] of [
    [hovered, 0.5],
    [selected, 1],
  ]) {
    const one = id === null ? null : scene.branches.find((each) => each.node.id === id);
    if (!one) continue;
    const [x, y] = view.pixels(one.at);
    context.globalAlpha = alpha;
    circle(context, x, y, 11);
    context.lineWidth = 2;
    context.strokeStyle = palette.ink;
    context.stroke();
  }
  context.globalAlpha = 1;
}
