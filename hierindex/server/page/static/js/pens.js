/** What everything is drawn with: geodesics, circles, pictures and names. */

import { geodesic } from "./mobius.js";

const FULL = 2 * Math.PI;

/** The geodesic from p to q, as the beginning of a path. */
export function trace(context, view, p, q) {
  const arc = geodesic(p, q);
  context.moveTo(...view.pixels(p));
  if (!arc) {
    context.lineTo(...view.pixels(q));
    return;
  }
  const [x, y] = view.pixels([arc.x, arc.y]);
  context.arc(x, y, arc.r * view.radius, -arc.from, -arc.to, !arc.clockwise);
}

/** A circle, as a path. */
export function circle(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, FULL);
}

/** A square with round corners, filled: the place of a picture that is on its way. */
export function blank(context, [x, y], size, colour) {
  context.beginPath();
  context.roundRect(x - size / 2, y - size / 2, size, size, size * 0.2);
  context.fillStyle = colour;
  context.fill();
}

/** A filled circle, with a number in it or not. */
export function dot(context, [x, y], size, colour, rank = null) {
  circle(context, x, y, Math.min(size / 2, 10));
  context.fillStyle = colour;
  context.fill();
  if (rank === null) return;
  context.fillStyle = "#111";
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(String(rank), x, y + 0.5);
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
  context.drawImage(
    bitmap,
    (bitmap.width - short) / 2,
    (bitmap.height - short) / 2,
    short,
    short,
    x - half,
    y - half,
    size,
    size,
  );
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
