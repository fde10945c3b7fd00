/** The route of one search through the tree, and how far of it is shown by now. */

import { onBoundary } from "./mobius.js";
import { spread } from "./scene.js";

const STEP = 300; // milliseconds for one level
const WHOLE = 2400; // at most, for all of them
const HIT = 70; // between one hit and the next

export class Route {
  /**
   * @param {{levels: number[][], probed: number[], hits: object[], origin: object | null}} found nodes kept at each
   *   level, leaves scanned (both empty where all points were compared), hits {id, distance, leaf, turn, label}, and
   *   the point that was asked with
   * @param {import("./forest.js").Forest} forest knows all these nodes and those above them
   * @param {boolean} still show all of it at once
   */
  constructor(found, forest, still) {
    this.kept = new Set(found.levels.flat());
    this.probed = new Set(found.probed);
    this.hits = found.hits.map((hit, i) => ({ ...hit, rank: i + 1 }));
    this.origin = found.origin;
    this.nodes = new Set();
    this.depth = 0;
    for (const end of [...this.kept, ...this.probed, ...this.hits.map((hit) => hit.leaf)]) {
      for (const node of forest.lineage(end)) {
        this.nodes.add(node.id);
        this.depth = Math.max(this.depth, node.depth);
      }
    }
    this.step = Math.min(STEP, WHOLE / (this.depth + 1));
    this.started = still ? -Infinity : performance.now();
    this.around = { angles: [], places: [], size: 0 };
  }

  get past() {
    return performance.now() - this.started;
  }

  /** Whether everything is shown and stands still. */
  get done() {
    return this.past > this.reached + HIT * this.hits.length + 1200;
  }

  /** When the leaves are reached, and the hits begin to show. */
  get reached() {
    return this.step * (this.depth + 1);
  }

  shown(node) {
    return this.nodes.has(node.id) && this.past >= this.step * node.depth;
  }

  glow(node) {
    return Math.max(0, Math.min(1, (this.past - this.step * node.depth) / this.step));
  }

  /** Leaves swell once when they are reached. */
  beat(node) {
    const since = (this.past - this.step * (node.depth + 1)) / 900;
    return since > 0 && since < 1 ? Math.sin(Math.PI * since) : 0;
  }

  hitsShown() {
    return this.hits.slice(0, Math.max(0, Math.floor((this.past - this.reached) / HIT) + 1));
  }

  /** The lowest node above nearly all hits. */
  focus(forest) {
    const above = new Map();
    for (const hit of this.hits) {
      for (const node of forest.lineage(hit.leaf)) above.set(node, (above.get(node) ?? 0) + 1);
    }
    const most = [...above].filter(([, hits]) => hits >= 0.8 * this.hits.length);
    return most.sort(([a], [b]) => b.depth - a.depth)[0]?.[0] ?? null;
  }

  /** Give every hit a place around the disk, as near to its own as the others allow. */
  arrange(view, size) {
    const angles = this.hitsShown().map((hit) => {
      const [x, y] = view.where(onBoundary(hit.turn));
      return Math.atan2(y, x);
    });
    const apart = Math.min((size + 7) / (view.radius + size / 2 + 14), (2 * Math.PI) / Math.max(angles.length, 1));
    this.around = { angles, places: circular(angles, apart), size, apart };
  }

  /** Whether a hit stands where something else would. */
  covers(angle) {
    return this.around.places.some((place) => Math.cos(place - angle) > Math.cos(this.around.apart));
  }
}

/** `spread` on a circle, which is cut where it is emptiest. */
function circular(angles, apart) {
  if (angles.length < 2) return angles;
  const turn = 2 * Math.PI;
  const sorted = angles.map((angle) => ((angle % turn) + turn) % turn).sort((a, b) => a - b);
  let start = sorted[0],
    widest = sorted[0] + turn - sorted.at(-1);
  for (let i = 1; i < sorted.length; i += 1) {
    if (sorted[i] - sorted[i - 1] > widest) [widest, start] = [sorted[i] - sorted[i - 1], sorted[i]];
  }
  return spread(
    angles.map((angle) => (((angle - start) % turn) + turn) % turn),
    apart,
  ).map((angle) => angle + start);
}
