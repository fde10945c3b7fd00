/** The panel: what the index is, what a branch holds, what a search found. */

import { button, el, list, number, short } from "./dom.js";

const MORE = 48; // members at a time
const CHIPS = 24; // leaves that are named

export class Panel {
  #turn = 0; // what came too late is not shown

  /**
   * @param {HTMLElement} root
   * @param {import("./forest.js").Forest} forest
   * @param {import("./pictures.js").Pictures} pictures
   * @param {{select: Function, like: Function, hover: Function, clear: Function, failed: Function}} on
   */
  constructor(root, forest, pictures, on) {
    Object.assign(this, { root, forest, pictures, on });
  }

  /** What the index is, and what can be done here. */
  welcome(info) {
    this.#turn += 1;
    const images = info.learned?.from === "images";
    const where = `${number(info.points)} points hang in ${number(info.leaves.number)} leaves of a hyperbolic tree`;
    this.#show(
      el("h2", {}, "The tree is the index"),
      el("p", { class: "lead" }, `${where} ${images ? "learned from its images" : "over ready vectors"}. `, ABOUT),
      facts({
        Points: number(info.points),
        Leaves: number(info.leaves.number),
        Levels: number(info.leaves.depth),
        Dimensions: `${number(info.dim)}, ${info.metric}`,
        Version: info.version ?? "never saved",
      }),
      el("h3", {}, "Ways to look"),
      list("ul", "ways", ways(images)),
    );
  }

  /** A branch: where it is, how large, what is typical of it, what it parts into. */
  async branch(id) {
    const turn = ++this.#turn;
    const node = await this.forest.closer(id, 12);
    if (turn !== this.#turn) return;
    this.forest.children(node); // those that are not here yet are asked for
    const leaf = !node.children.length;
    const parts = node.children.map((child) => this.#part(child));
    this.#show(
      this.#crumbs(node),
      el("h2", {}, node.parent === null ? "The whole tree" : `${leaf ? "Leaf" : "Branch"} ${node.id}`),
      facts({
        Points: number(node.count),
        Share: `${short((100 * node.count) / Math.max(1, this.forest.points))} %`,
        Depth: node.depth,
        Height: short(node.height),
      }),
      node.examples.length ? el("h3", {}, "Typical") : null,
      list(
        "ul",
        "grid",
        node.examples.map((item) => this.#tile(item)),
      ),
      leaf ? null : [el("h3", {}, "Parts into"), el("div", { class: "parts" }, parts)],
      this.#all(node, turn),
    );
  }

  /** What a search found, and what it went through. */
  found(query, answer) {
    this.#turn += 1;
    const { hits, probed } = answer;
    const image = query.image && el("img", { src: query.image, alt: "The image that was searched by" });
    const chips = probed
      .slice(0, CHIPS)
      .map((leaf) => button("chip", () => this.on.select(leaf, true), `leaf ${leaf}`));
    this.#show(
      el(
        "p",
        { class: "crumbs" },
        button("link", () => this.on.clear(), "← Back to the tree"),
      ),
      el("h2", {}, "Nearest to"),
      el("div", { class: "query" }, image ?? this.#tile(query), el("p", {}, this.#way(answer))),
      probed.length ? el("p", { class: "chips" }, chips) : null,
      el("h3", {}, `${hits.length} found`),
      list(
        "ol",
        "grid hits",
        hits.map((hit) => this.#tile(hit, short(hit.distance))),
      ),
    );
  }

  #show(...parts) {
    this.root.replaceChildren(...parts.flat().filter(Boolean));
    this.root.scrollTop = 0;
  }

  /** What was compared for an answer, in words. */
  #way({ exact, levels, probed, scanned, seconds }) {
    const time = `${short(1000 * seconds)} ms.`;
    if (exact) return `All ${number(scanned)} points were compared, so this is exact. ${time}`;
    const branches = levels.length ? `${number(levels.flat().length)} branches on ${levels.length} levels, ` : "";
    const leaves = `${number(probed.length)} of ${number(this.forest.leaves)} leaves`;
    return `${branches}${leaves}, ${number(scanned)} of ${number(this.forest.points)} points compared. ${time}`;
  }

  /** The way from the root; long ones leave out their middle. */
  #crumbs(node) {
    const line = this.forest.lineage(node.id);
    const shown = line.length > 6 ? [line[0], null, ...line.slice(-4)] : line;
    const steps = shown.map((each) => {
      if (each === null) return el("span", {}, "…");
      const name = each.parent === null ? "root" : String(each.id);
      if (each.id === node.id) return el("span", { "aria-current": "true" }, name);
      return button("link", () => this.on.select(each.id, true), name);
    });
    return el("nav", { class: "crumbs", "aria-label": "From the root to here" }, steps);
  }

  #part(id) {
    const node = this.forest.get(id);
    const name = el("b", {}, `${node && !node.children.length ? "Leaf" : "Branch"} ${id}`);
    const size = el("small", {}, node ? `${number(node.count)} points` : "…");
    const picture = node?.examples[0] ? this.#thumb(node.examples[0]) : null;
    const on = { pointerenter: () => this.on.hover(id), pointerleave: () => this.on.hover(null) };
    return button("part", () => this.on.select(id, true), [picture, el("span", {}, name, size)], { on });
  }

  /** A point: its picture or its name; a click searches by it. */
  #tile(item, note = null) {
    const name = item.label ?? String(item.id);
    const words = [el("span", { class: "name" }, name), note === null ? null : el("span", { class: "note" }, note)];
    const kind = this.pictures.there ? "tile" : "tile named";
    const title = `${name} · find what is like it`;
    return button(kind, () => this.on.like(item), [this.#thumb(item), ...words], { title });
  }

  #thumb(item) {
    const bead = () => el("i", { class: "bead", "aria-hidden": "true" });
    if (!this.pictures.there) return bead();
    const image = el("img", { alt: "", width: 64, height: 64 });
    image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth < 40));
    this.pictures.url(item.id).then((url) => (url ? (image.src = url) : image.replaceWith(bead())));
    return image;
  }

  /** All members, some at a time. */
  #all(node, turn) {
    const members = el("ul", { class: "grid small" });
    let shown = 0;
    const more = button("quiet wide", load, "Show all, like by like");
    const panel = this;
    async function load() {
      more.disabled = true;
      try {
        const page = await panel.forest.members(node.id, shown, MORE);
        if (turn !== panel.#turn) return;
        members.append(...page.members.map((item) => el("li", {}, panel.#tile(item))));
        shown += page.members.length;
        more.hidden = shown >= page.count;
        more.textContent = `Show more (${number(page.count - shown)} left)`;
      } catch (error) {
        panel.on.failed(error);
      }
      more.disabled = false;
    }
    return [el("h3", {}, "Members"), members, more];
  }
}

const ABOUT = "Like stands by like around the rim; the middle of the disk is where branches part.";

function ways(images) {
  const b = (word) => el("b", {}, word);
  const keys = (...names) => names.map((name) => el("kbd", {}, name));
  return [
    [b("Drag"), " moves the point under the pointer, ", b("scroll"), " or pinch flies nearer."],
    [b("Click"), " a branch to see what it holds; ", b("double click"), " brings it to the middle."],
    images
      ? [b("Drop an image"), " anywhere to search by it, or type an id."]
      : ["Type an ", b("id"), " above to see its neighbours, and the way to them."],
    [...keys("↑", "↓", "←", "→"), " walk, ", ...keys("+", "−"), " zoom, ", ...keys("H"), " goes home."],
  ];
}

function facts(rows) {
  const pairs = Object.entries(rows).map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]);
  return el(
    "dl",
    { class: "facts" },
    pairs.map((pair) => el("div", {}, pair)),
  );
}
