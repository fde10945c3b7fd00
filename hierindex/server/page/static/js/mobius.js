/**
 * The hyperbolic plane as the unit disk: its isometries, distances and geodesics.
 *
 * A point is [x, y]. An isometry is [ar, ai, br, bi]: z -> (a z + b) / (conj(b) z + conj(a)) with |a|^2 - |b|^2 = 1,
 * that is SU(1,1). Points of the boundary (|z| = 1) may be moved too.
 */

export const IDENTITY = [1, 0, 0, 0];

const INSIDE = 1 - 1e-10; // how near the boundary a point may be brought to the centre

/** The image of a point. */
export function apply([ar, ai, br, bi], [x, y]) {
  const nr = ar * x - ai * y + br,
    ni = ar * y + ai * x + bi;
  const dr = br * x + bi * y + ar,
    di = br * y - bi * x - ai;
  const norm = dr * dr + di * di;
  return [(nr * dr + ni * di) / norm, (ni * dr - nr * di) / norm];
}

/** First g, then f; |a| is set from b each time, so that rounding errors do not pile up however often it is done. */
export function compose([ar, ai, br, bi], [cr, ci, dr, di]) {
  const er = ar * cr - ai * ci + br * dr + bi * di;
  const ei = ar * ci + ai * cr + bi * dr - br * di;
  const fr = ar * dr - ai * di + br * cr + bi * ci;
  const fi = ar * di + ai * dr + bi * cr - br * ci;
  // not by |a|^2 - |b|^2, of which nothing is left far out
  const scale = Math.sqrt(1 + fr * fr + fi * fi) / Math.hypot(er, ei);
  return [er * scale, ei * scale, fr, fi];
}

export function inverse([ar, ai, br, bi]) {
  return [ar, -ai, -br, -bi];
}

/** The translation that takes the centre to p. */
export function fromCentre(p) {
  const [x, y] = drawnIn(p);
  const scale = 1 / Math.sqrt(1 - x * x - y * y);
  return [scale, 0, x * scale, y * scale];
}

/** The translation along the geodesic from p to q; a share t of it (1 takes p to q, 0 is nothing). */
export function translation(p, q, t = 1) {
  const there = fromCentre(p);
  const [x, y] = apply(inverse(there), drawnIn(q));
  const radius = Math.hypot(x, y);
  if (radius === 0 || t === 0) return IDENTITY;
  const part = Math.tanh(t * Math.atanh(Math.min(radius, INSIDE))) / radius;
  return compose(compose(there, fromCentre([x * part, y * part])), inverse(there));
}

/** The rotation about the centre by an angle. */
export function rotation(angle) {
  return [Math.cos(angle / 2), Math.sin(angle / 2), 0, 0];
}

/** The hyperbolic distance of two points inside the disk (curvature -1). */
export function distance(p, q) {
  const [x, y] = apply(inverse(fromCentre(p)), q);
  return 2 * Math.atanh(Math.min(Math.hypot(x, y), INSIDE));
}

/** The point on the boundary at so many turns. */
export function onBoundary(turn) {
  return [Math.cos(2 * Math.PI * turn), Math.sin(2 * Math.PI * turn)];
}

/** The angle from p to q, counter-clockwise, 0 <= angle < 2 pi. */
export function sweep(p, q) {
  const angle = Math.atan2(p[0] * q[1] - p[1] * q[0], p[0] * q[0] + p[1] * q[1]);
  return angle < 0 ? angle + 2 * Math.PI : angle;
}

/**
 * The geodesic between two points of the closed disk: the circle {x, y, r, from, to, clockwise} that meets the boundary
 * at right angles, or null where it is a straight line (or cannot be told from one).
 */
export function geodesic(p, q) {
  const cross = p[0] * q[1] - p[1] * q[0];
  if (Math.abs(cross) < 1e-9) return null;
  // the centre c of the circle has |c|^2 = 1 + r^2 and |c - p| = r, so that 2 c.p = 1 + |p|^2; and so for q
  const a = (1 + p[0] * p[0] + p[1] * p[1]) / 2,
    b = (1 + q[0] * q[0] + q[1] * q[1]) / 2;
  const x = (a * q[1] - b * p[1]) / cross,
    y = (b * p[0] - a * q[0]) / cross;
  const r = Math.sqrt(Math.max(x * x + y * y - 1, 0));
  if (r > 1e3) return null;
  const from = Math.atan2(p[1] - y, p[0] - x),
    to = Math.atan2(q[1] - y, q[0] - x);
  const turn = Math.sin(to - from); // the shorter way round is the one inside the disk
  return { x, y, r, from, to, clockwise: turn < 0 };
}

function drawnIn([x, y]) {
  const radius = Math.hypot(x, y);
  const scale = radius > INSIDE ? INSIDE / radius : 1;
  return [x * scale, y * scale];
}
