/** What stands around the disk: a picture, a name or a mark for each branch's end and each point of an open leaf. */

import { middle } from "./scene.js";

const LEAST = 15; // pixels below which a picture is a mark

/**
 * @returns {{item: object, angle: number, px: number, colour: string, one: object, point: boolean}[]}
 */
export function seats(scene, neutral) {
  const ends = scene.branches
    .filter((one) => one.end && one.node.examples.length)
    .map((one) => ({
      item: one.node.examples[0],
      angle: middle(one),
      px: one.px,
      colour: one.colour ?? neutral,
      one,
      point: one.node.count === 1,
    }));
  const points = scene.points.map(({ leaf, item, angle, px }) => ({
    item,
    angle,
    px,
    colour: leaf.colour ?? neutral,
    one: leaf,
    point: true,
  }));
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
