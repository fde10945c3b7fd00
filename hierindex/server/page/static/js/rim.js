/** What stands around the disk: a picture, a name or a mark for each branch's end and each point of an open leaf. */

import { middle } from "./scene.js";

const LEAST = 15; // pixels below which a picture is a mark

/**
 * @returns {{item: object, angle: number, px: number, colour: string, one: object, point: boolean}[]}
 */
export function seats(scene, neutral) {
  const ends = scene.branches
    .filter((one) => one.end && one.node.examples.length)
    .map((one) => ({ item: one.node.examples[0], angle: middle(one), px: one.px, colour: one.colour ?? neutral, one, point: one.node.count === 1 }));
  const points = scene.points.map(({ leaf, item, angle, px }) => ({ item, angle, px, colour: leaf.colour ?? neutral, one: leaf, point: true }));
  return [...ends, ...points];
}

/** How large a picture may be so that those beside it, squares with round corners, are not covered. */
export function side(seat, most) {
  const upright = Math.max(Math.abs(Math.cos(seat.angle)), Math.abs(Math.sin(seat.angle)));
  const size = Math.min(most, seat.px * (0.3 + 0.62 * upright));
  return size >= LEAST ? size : 0;
}

/** Where the middle of a picture of that size goes, in pixels. */
export function beside(view, angle, size, gap) {
  const far = view.radius + gap + (size / 2) * (Math.abs(Math.cos(angle)) + Math.abs(Math.sin(angle))) * 0.92;
  return [view.x + far * Math.cos(angle), view.y - far * Math.sin(angle)];
}

/** A picture in a square with round corners, framed; cut to the square from its middle. */
export function picture(context, bitmap, [x, y], size, colour, frame = 1.5) {
  const half = size / 2;
  context.save();
  context.beginPath();
  context.roundRect(x - half, y - half, size, size, size * 0.2);
  context.clip();
  const short = Math.min(bitmap.width, bitmap.height);
  context.imageSmoothingEnabled = size < short * 2; // pixels of tiny images stay pixels
  context.drawImage(bitmap, (bitmap.width - short) / 2, (bitmap.height - short) / 2, short, short, x - half, y - half, size, size);
  context.restore();
  context.beginPath();
  context.roundRect(x - half, y - half, size, size, size * 0.2);
  context.strokeStyle = colour;
  context.lineWidth = frame;
  context.stroke();
}

/** A text along the radius, read from the left on both sides of the disk. */
export function name(context, text, view, angle, room, colour) {
  const left = Math.cos(angle) < 0;
  context.save();
  context.translate(view.x, view.y);
  context.rotate(-angle);
  context.translate(view.radius + 13, 0);
  if (left) context.rotate(Math.PI);
  context.textAlign = left ? "right" : "left";
  context.textBaseline = "middle";
  context.fillStyle = colour;
  context.fillText(fitted(context, text, room), 0, 0);
  context.restore();
}

const widths = new Map(); // measuring is what costs

function fitted(context, text, room) {
  const key = `${context.font}|${Math.round(room)}|${text}`;
  const known = widths.get(key);
  if (known !== undefined) return known;
  let short = text;
  if (context.measureText(short).width > room) {
    while (short.length > 1 && context.measureText(`${short}…`).width > room) short = short.slice(0, -1);
    short = `${short.trimEnd()}…`;
  }
  if (widths.size > 4000) widths.clear();
  widths.set(key, short);
  return short;
}
