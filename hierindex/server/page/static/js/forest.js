/**
 * What the page knows of the tree. It begins with the largest branches and asks for more as somebody looks closer, so
 * that an index of a million points costs no more than what is shown of it.
 */

import { Problem, get } from "./api.js";

const FIRST = { depth: 10, limit: 255 };
const MORE = { depth: 4, limit: 63 };
const PAGE = 200;
const AT_ONCE = 4;
const STATE = ["version", "points", "leaves", "made"]; // where one of these is another, the tree is another one

export class Forest {
  #nodes = new Map();
  #members = new Map(); // "leaf:page" -> places, or null while they are on their way
  #asked = new Set();
  #queue = [];
  #running = 0;
  #generation = 0;

  /**
   * @param {() => void} changed called when there is more to draw
   * @param {() => void} replaced called when it is another tree
   */
  constructor(changed, replaced) {
    this.changed = changed;
    this.replaced = replaced;
    this.label = null;
    this.root = null;
    for (const name of STATE) this[name] = 0;
  }

  get(id) {
    return this.#nodes.get(id);
  }

  get size() {
    return this.#nodes.size;
  }

  /** Forget everything, and load the top of the tree. */
  async plant() {
    const generation = ++this.#generation;
    const top = await get("/v1/tree", { ...FIRST, label: this.label });
    if (generation !== this.#generation) return;
    this.#nodes.clear();
    this.#members.clear();
    this.#asked.clear();
    this.#queue.length = 0;
    for (const name of STATE) this[name] = top[name];
    this.root = top.nodes[0].id;
    this.#add(top.nodes);
    this.changed();
  }

  /** The children of a node that hold anything; null while they are not here yet, which asks for them. */
  children(node) {
    const here = node.children.map((id) => this.#nodes.get(id));
    if (here.every(Boolean)) return here.filter((child) => child.count > 0);
    this.#ask(`node:${node.id}`, async () => {
      this.#take(await this.#look("/v1/tree", { node: node.id, ...MORE }));
    });
    return null;
  }

  /** The point of that rank below a leaf, left to right; undefined while it is not here yet, which asks for it. */
  member(leaf, rank) {
    const page = Math.floor(rank / PAGE),
      name = `${leaf.id}:${page}`;
    const here = this.#members.get(name);
    if (here) return here[rank - page * PAGE];
    this.#ask(name, async () => {
      this.#members.set(name, (await this.members(leaf.id, page * PAGE, PAGE)).members);
    });
    return undefined;
  }

  /** Some of the points below any node. */
  members(id, offset, limit) {
    return this.#look(`/v1/tree/${id}/members`, { offset, limit });
  }

  /** One node with more of its typical points. */
  async closer(id, examples) {
    return this.#take(await this.#look(`/v1/tree/${id}`, { examples }))[0];
  }

  /** Load some nodes with all above them; the places of some points. */
  async route(nodes, ids) {
    const answer = await this.#look("/v1/tree/route", { node: nodes, id: ids });
    this.#take(answer);
    return answer.places;
  }

  /** The nodes of the cut into so many, left to right. */
  async cut(clusters) {
    return this.#take(await this.#look("/v1/tree/cut", { n_clusters: clusters }));
  }

  /** A node and those above it, as far as they are known; the root comes first. */
  lineage(id) {
    const line = [];
    for (let node = this.get(id); node; node = this.get(node.parent)) line.unshift(node);
    return line;
  }

  /** What a route of the tree answers. What is refused may be of a tree that is there no more, so that is looked at. */
  async #look(path, params) {
    try {
      return await get(path, { ...params, label: this.label });
    } catch (error) {
      const refused = error instanceof Problem && [404, 422].includes(error.status);
      if (refused) this.#take(await get("/v1/tree", { limit: 1, label: this.label }));
      throw error;
    }
  }

  #take(answer) {
    if (STATE.some((name) => answer[name] !== this[name])) {
      this.plant().then(this.replaced, this.failed);
      return answer.nodes;
    }
    this.#add(answer.nodes);
    this.changed();
    return answer.nodes;
  }

  #add(nodes) {
    for (const node of nodes) {
      const known = this.#nodes.get(node.id);
      if (!known || known.examples.length <= node.examples.length) this.#nodes.set(node.id, node);
    }
  }

  /** Once for each name; the latest first, for that is where somebody looks now. */
  #ask(name, work) {
    if (this.#asked.has(name)) return;
    this.#asked.add(name);
    this.#queue.push([name, work]);
    if (this.#queue.length > 32) this.#asked.delete(this.#queue.shift()[0]); // passed by long ago
    this.#next();
  }

  async #next() {
    if (this.#running >= AT_ONCE || !this.#queue.length) return;
    const [name, work] = this.#queue.pop();
    this.#running += 1;
    try {
      await work();
      this.changed();
    } catch (error) {
      this.failed?.(error);
      setTimeout(() => this.#asked.delete(name), 5000); // and again, if somebody still looks
    } finally {
      this.#running -= 1;
      this.#next();
    }
  }
}
