/**
 * What is to be seen from here: the branches that are large enough on the screen, each where the isometry puts it.
 *
 * A branch takes as much of the rim as its points do, seen from here. It is opened while that is wide enough for its
 * children to be told apart, so that the number of things drawn depends on the screen and not on the index.
 */

import { onBoundary, sweep } from "./mobius.js";
import { hue } from "./colours.js";

const FULL = 2 * Math.PI;

/**
 * @typedef {object} Drawn one branch on the screen
 * @property {object} node as the server described it
 * @property {[number, number]} at its place in the disk as it is seen
 * @property {Drawn | null} above
 * @property {number} from the angle where its part of the rim begins @property {number} wide its angle
 * @property {number} px the same in pixels @property {string | null} colour null above the cut
 * @property {boolean} end whether nothing below it is drawn
 */

/**
 * @param {import("./forest.js").Forest} forest
 * @param {import("./view.js").View} view
 * @param {{open: number, dark: boolean, cut: Map<number, number>, kept: Set<number>}} how `open`: pixels of the rim
 *   from which a branch is opened; `cut`: the rank of each branch of the cut; `kept`: opened whatever their size
 * @returns {{branches: Drawn[], points: {leaf: Drawn, item: object, angle: number, px: number}[]}} with the points of
 *   leaves that are open
 */
export function compose(forest, view, how) {
  const scene = { branches: [], points: [] };
  const root = forest.get(forest.root);
  if (!root || !root.count) return scene;
  const waiting = [place(root, null, view, how)];
  while (waiting.length) {
    const one = waiting.pop();
    scene.branches.push(one);
    const wide = one.px >= how.open || how.kept.has(one.node.id);
    if (!wide) continue;
    if (one.node.children.length) {
      const children = forest.children(one.node);
      if (!children) continue;
      one.end = false;
      for (const child of children) waiting.push(place(child, one, view, how));
    } else {
      openLeaf(one, forest, view, how, scene);
    }
  }
  return scene;
}

function place(node, above, view, how) {
  const [from, wide] = span(node.arc, view);
  const rank = how.cut.get(node.id);
  const middle = (node.arc[0] + node.arc[1]) / 2;
  const colour = above?.colour ?? (rank === undefined ? null : hue(middle, rank, how.dark));
  const cluster = rank !== undefined ? node.id : (above?.cluster ?? null);
  return { node, above, at: view.where(node.place), from, wide, px: wide * view.radius, colour, cluster, end: true };
}

/** Where an arc of the rim begins on the screen, and how wide it is, as angles. */
function span([start, stop], view) {
  const first = view.where(onBoundary(start));
  const from = Math.atan2(first[1], first[0]);
  return [from, stop - start > 1 - 1e-12 ? FULL : sweep(first, view.where(onBoundary(stop)))];
}

/**
 * The points of a leaf, as many as there is room for: runs of them are halved while they are wide on the screen, and
 * the point in the middle stands for what is left. So a point that is shown stays while one moves.
 */
function openLeaf(one, forest, view, how, scene) {
  const { count, arc } = one.node;
  const runs = [[0, count]];
  while (runs.length) {
    const [start, stop] = runs.pop();
    const turn = (rank) => arc[0] + ((arc[1] - arc[0]) * rank) / count;
    const [from, wide] = span([turn(start), turn(stop)], view);
    const px = wide * view.radius,
      half = (start + stop) >> 1;
    if (px >= how.open && stop - start > 1) {
      runs.push([start, half], [half, stop]);
      continue;
    }
    const item = forest.member(one.node, half);
    if (!item) continue;
    one.end = false;
    scene.points.push({ leaf: one, item, angle: from + wide / 2, px });
  }
}

/** The angle in the middle of a branch's part of the rim. */
export function middle(one) {
  return one.from + one.wide / 2;
}

/**
 * Angles at least `apart` from each other and as near as can be to those asked for: least squares by pooling neighbours
 * that are too near (isotonic regression of what is left without the distance).
 */
export function spread(angles, apart) {
  const order = angles.map((angle, i) => [angle, i]).sort((a, b) => a[0] - b[0]);
  const pools = [];
  order.forEach(([angle], rank) => {
    pools.push({ sum: angle - rank * apart, size: 1 });
    while (pools.length > 1 && mean(pools.at(-2)) > mean(pools.at(-1))) {
      const last = pools.pop();
      pools.at(-1).sum += last.sum;
      pools.at(-1).size += last.size;
    }
  });
  const found = new Array(angles.length);
  let rank = 0;
  for (const pool of pools) {
    for (let i = 0; i < pool.size; i += 1, rank += 1) found[order[rank][1]] = mean(pool) + rank * apart;
  }
  return found;
}

function mean(pool) {
  return pool.sum / pool.size;
}
