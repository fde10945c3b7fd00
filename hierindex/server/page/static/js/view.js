/** Where one stands in the disk: an isometry, and how it moves. */

import { IDENTITY, apply, compose, distance, inverse, rotation, translation } from "./mobius.js";

const CENTRE = [0, 0];
const FARTHEST = 3e5; // cosh of half the distance from the tree's middle: deeper than any leaf, and doubles still hold

export class View {
  #flight = null;

  /** @param {() => void} moved called after every move */
  constructor(moved) {
    this.moved = moved;
    this.iso = IDENTITY;
    this.radius = 1; // of the disk, in CSS pixels
    this.x = this.y = 0; // its centre
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Where a point of the tree's disk is now. */
  where(point) {
    return apply(this.iso, point);
  }

  /** A point of the disk as it is seen, in pixels; the y axis points up in the disk. */
  pixels([x, y]) {
    return [this.x + this.radius * x, this.y - this.radius * y];
  }

  /** A pixel as a point of the disk as it is seen; one outside is drawn in to its edge. */
  point([px, py]) {
    const x = (px - this.x) / this.radius,
      y = (this.y - py) / this.radius;
    const scale = Math.min(1, 0.995 / Math.max(Math.hypot(x, y), 1e-12));
    return [x * scale, y * scale];
  }

  /** Move so that what is at p is at q. */
  drag(p, q) {
    this.#to(compose(translation(p, q), this.iso));
  }

  /** Nearer to what is at p by a hyperbolic distance, or with one below 0 back toward the whole tree. */
  zoom(p, step) {
    this.stop();
    this.#to(this.#zoomed(p, step));
  }

  /** The same in a short flight. */
  glide(p, step) {
    this.#fly(this.#zoomed(p, step), 260);
  }

  /** Bring a point of the tree's disk to the centre. */
  flyTo(point, milliseconds = 650) {
    this.#fly(compose(translation(this.where(point), CENTRE), this.iso), milliseconds);
  }

  /** Back to where everything is seen, and upright. */
  home() {
    this.#fly(IDENTITY, 650);
  }

  stop() {
    if (this.#flight !== null) cancelAnimationFrame(this.#flight);
    this.#flight = null;
  }

  get flying() {
    return this.#flight !== null;
  }

  #zoomed(p, step) {
    if (step < 0) {
      const home = this.where(CENTRE),
        far = distance(home, CENTRE);
      return far < 1e-9 ? this.iso : compose(translation(home, CENTRE, Math.min(1, -step / far)), this.iso);
    }
    const far = distance(p, CENTRE);
    const pull = step * Math.min(1, far / 0.7); // gently where the pointer is nearly at the centre
    return far < 1e-9 ? this.iso : compose(translation(p, CENTRE, pull / far), this.iso);
  }

  #to(iso) {
    if (!(Math.hypot(iso[0], iso[1]) <= FARTHEST)) return;
    this.iso = iso;
    this.moved();
  }

  /** Along the geodesic to where the centre goes, turning evenly on the way. */
  #fly(target, milliseconds) {
    this.stop();
    if (this.still.matches) {
      this.#to(target);
      return;
    }
    const begin = this.iso,
      change = compose(target, inverse(begin));
    const goal = apply(change, CENTRE); // the change is a rotation, then the translation of the centre to its goal
    const turn = 2 * Math.atan2(change[1], change[0]);
    const angle = turn > Math.PI ? turn - 2 * Math.PI : turn < -Math.PI ? turn + 2 * Math.PI : turn;
    const started = performance.now();
    const step = (now) => {
      const share = Math.min(1, (now - started) / milliseconds);
      const t = share < 0.5 ? 4 * share ** 3 : 1 - (2 - 2 * share) ** 3 / 2;
      if (share >= 1) {
        this.#flight = null;
        this.#to(target);
        return;
      }
      this.#flight = requestAnimationFrame(step);
      this.#to(compose(compose(translation(CENTRE, goal, t), rotation(angle * t)), begin));
    };
    this.#flight = requestAnimationFrame(step);
  }
}
