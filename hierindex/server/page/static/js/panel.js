/** The panel: what the index is, what a branch holds, what a search found. */

import { el, number, short } from "./dom.js";

const MORE = 48;

export class Panel {
  #turn = 0; // what came too late is not shown

  /**
   * @param {HTMLElement} root @param {import("./forest.js").Forest} forest @param {import("./pictures.js").Pictures} pictures
   * @param {{select: Function, like: Function, hover: Function, clear: Function, failed: Function}} on
   */
  constructor(root, forest, pictures, on) {
    Object.assign(this, { root, forest, pictures, on });
  }

  /** What the index is, and what can be done here. */
  welcome(info) {
    this.#turn += 1;
    const learned = info.learned?.from === "images" ? "learned from its images" : "over ready vectors";
    this.#show(
      el("h2", {}, "The tree is the index"),
      el("p", { class: "lead" }, `${number(info.points)} points hang in ${number(info.leaves.number)} leaves of a hyperbolic tree ${learned}. Like stands by like around the rim; the middle of the disk is where branches part.`),
      facts([
        ["Points", number(info.points)],
        ["Leaves", number(info.leaves.number)],
        ["Levels", number(info.leaves.depth)],
        ["Dimensions", `${number(info.dim)}, ${info.metric}`],
        ["Version", info.version ?? "never saved"],
      ]),
      el("h3", {}, "Ways to look"),
      el("ul", { class: "ways" },
        el("li", {}, el("b", {}, "Drag"), " moves the point under the pointer, ", el("b", {}, "scroll"), " or pinch flies nearer."),
        el("li", {}, el("b", {}, "Click"), " a branch to see what it holds; ", el("b", {}, "double click"), " brings it to the middle."),
        this.pictures.there && info.learned?.from === "images"
          ? el("li", {}, el("b", {}, "Drop an image"), " anywhere to search by it, or type an id.")
          : el("li", {}, "Type an ", el("b", {}, "id"), " above to see its neighbours, and the way to them."),
        el("li", {}, el("kbd", {}, "↑"), el("kbd", {}, "↓"), el("kbd", {}, "←"), el("kbd", {}, "→"), " walk, ", el("kbd", {}, "+"), el("kbd", {}, "−"), " zoom, ", el("kbd", {}, "H"), " goes home.")),
    );
  }

  /** A branch: where it is, how large, what is typical of it, what it parts into. */
  async branch(id) {
    const turn = ++this.#turn;
    const node = await this.forest.closer(id, 12);
    if (turn !== this.#turn) return;
    const leaf = !node.children.length;
    const children = node.children.map((child) => this.forest.get(child));
    if (children.some((child) => !child)) this.forest.children(node);
    this.#show(
      this.#crumbs(node),
      el("h2", {}, leaf ? `Leaf ${node.id}` : node.parent === null ? "The whole tree" : `Branch ${node.id}`),
      facts([
        ["Points", number(node.count)],
        ["Share", `${short((100 * node.count) / Math.max(1, this.forest.points))} %`],
        ["Depth", node.depth],
        ["Height", short(node.height)],
      ]),
      node.examples.length ? el("h3", {}, "Typical") : null,
      this.#grid(node.examples),
      ...(leaf ? [] : [el("h3", {}, "Parts into"), el("div", { class: "parts" }, node.children.map((child) => this.#part(child)))]),
      ...this.#all(node, turn),
    );
  }

  /** What a search found, and what it went through. */
  found(query, answer) {
    this.#turn += 1;
    const way = answer.exact
      ? `All ${number(answer.scanned)} points were compared, so this is exact.`
      : `${answer.levels.length ? `${number(answer.levels.flat().length)} branches on ${answer.levels.length} levels, ` : ""}${number(answer.probed.length)} of ${number(this.forest.leaves)} leaves, ${number(answer.scanned)} of ${number(this.forest.points)} points compared.`;
    this.#show(
      el("p", { class: "crumbs" }, el("button", { type: "button", class: "link", on: { click: () => this.on.clear() } }, "← Back to the tree")),
      el("h2", {}, "Nearest to"),
      el("div", { class: "query" }, query.image ? el("img", { src: query.image, alt: "The image that was searched by" }) : this.#tile({ id: query.id, label: query.label }, null), el("p", {}, way, " ", `${short(1000 * answer.seconds)} ms.`)),
      answer.probed.length ? el("p", { class: "chips" }, answer.probed.slice(0, 24).map((leaf) => el("button", { type: "button", class: "chip", on: { click: () => this.on.select(leaf, true) } }, `leaf ${leaf}`))) : null,
      el("h3", {}, `${answer.hits.length} found`),
      el("ol", { class: "grid hits" }, answer.hits.map((hit) => el("li", {}, this.#tile(hit, `${short(hit.distance)}`)))),
    );
  }

  #show(...parts) {
    this.root.replaceChildren(...parts.flat().filter(Boolean));
    this.root.scrollTop = 0;
  }

  #crumbs(node) {
    const line = this.forest.lineage(node.id);
    const shown = line.length > 6 ? [line[0], null, ...line.slice(-4)] : line;
    return el("nav", { class: "crumbs", "aria-label": "From the root to here" }, shown.map((each) =>
      each === null ? el("span", {}, "…")
      : each.id === node.id ? el("span", { "aria-current": "true" }, each.parent === null ? "root" : String(each.id))
      : el("button", { type: "button", class: "link", on: { click: () => this.on.select(each.id, true) } }, each.parent === null ? "root" : String(each.id))));
  }

  #part(id) {
    const node = this.forest.get(id);
    const words = node ? `${number(node.count)} points` : "…";
    const button = el("button", { type: "button", class: "part", on: {
      click: () => this.on.select(id, true),
      pointerenter: () => this.on.hover(id),
      pointerleave: () => this.on.hover(null),
    } }, node?.examples[0] ? this.#thumb(node.examples[0]) : null, el("span", {}, el("b", {}, node && !node.children.length ? `Leaf ${id}` : `Branch ${id}`), el("small", {}, words)));
    return button;
  }

  #grid(items) {
    return el("ul", { class: "grid" }, items.map((item) => el("li", {}, this.#tile(item, null))));
  }

  /** A point: its picture or its name; to be searched by. */
  #tile(item, note) {
    const name = item.label ?? String(item.id);
    return el("button", { type: "button", class: this.pictures.there ? "tile" : "tile named", title: `${name} · find what is like it`, on: {
      click: () => this.on.like(item),
    } }, this.#thumb(item), el("span", { class: "name" }, name), note === null ? null : el("span", { class: "note" }, note));
  }

  #thumb(item) {
    if (!this.pictures.there) return el("i", { class: "bead", "aria-hidden": "true" });
    const image = el("img", { alt: "", width: 64, height: 64 });
    image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth < 40));
    this.pictures.url(item.id).then((url) => (url ? (image.src = url) : image.replaceWith(el("i", { class: "bead" }))));
    return image;
  }

  /** All members, some at a time. */
  #all(node, turn) {
    const list = el("ul", { class: "grid small" });
    let shown = 0;
    const more = el("button", { type: "button", class: "quiet wide" }, "Show all, like by like");
    more.addEventListener("click", async () => {
      more.disabled = true;
      try {
        const page = await this.forest.members(node.id, shown, MORE);
        if (turn !== this.#turn) return;
        list.append(...page.members.map((item) => el("li", {}, this.#tile(item, null))));
        shown += page.members.length;
        more.hidden = shown >= page.count;
        more.textContent = `Show more (${number(page.count - shown)} left)`;
      } catch (error) {
        this.on.failed(error);
      }
      more.disabled = false;
    });
    return [el("h3", {}, "Members"), list, more];
  }
}

function facts(rows) {
  return el("dl", { class: "facts" }, rows.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))));
}
