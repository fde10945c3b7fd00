/** The explorer: what it knows, where one stands, what is selected and found, and how that is shown. */

import { get } from "./api.js";
import { palette } from "./colours.js";
import { el, number } from "./dom.js";
import { Forest } from "./forest.js";
import { paint } from "./paint.js";
import { Panel } from "./panel.js";
import { Pictures } from "./pictures.js";
import { Route } from "./route.js";
import { compose } from "./scene.js";
import { byId, byImage } from "./search.js";
import { View } from "./view.js";

export const by = (id) => document.getElementById(id);
export const canvas = by("disk");
const context = canvas.getContext("2d");
const upright = matchMedia("(max-width: 760px), (orientation: portrait)"); // as in the style sheet
const LABELS = /^(title|name|label|caption|text|headline)$/i;
const MOST_CLUSTERS = 500;
const MOST_SEEN = 900; // nodes of one route, fewer than the server's limit

export class Explorer {
  constructor() {
    this.info = null;
    this.selected = this.hovered = null;
    this.frame = null;
    this.route = null;
    this.cut = new Map();
    this.cuts = new Map();
    this.clusters = 0;
    this.asked = 0; // searches; an answer that comes after a later one was asked for is not shown
    this.targets = [];
    this.light();
    this.view = new View(() => this.draw());
    this.forest = new Forest(
      () => this.draw(),
      () => this.replaced(),
    );
    this.forest.failed = (error) => this.say(error);
    this.pictures = new Pictures(() => this.draw());
    this.panel = new Panel(by("panel"), this.forest, this.pictures, {
      select: (id, fly) => this.select(id, fly),
      hover: (id) => this.hover(id),
      like: (item) => this.searchId(String(item.id)),
      clear: () => this.clear(),
      failed: (error) => this.say(error),
    });
  }

  async start() {
    try {
      this.info = await get("/v1/info");
      this.pictures.there = this.info.server.images;
      this.#labels();
      await this.forest.plant();
      await this.granularity(Math.min(10, this.forest.leaves));
      this.#words();
      this.panel.welcome(this.info);
    } catch (error) {
      this.say(error);
    }
    this.resize();
  }

  /** Draw before the next frame, once however often it is asked for. */
  draw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#paint();
      if (this.route && !this.route.done) this.draw();
    });
  }

  /** Take the colours and the font that the style sheet has by now. */
  light() {
    this.palette = palette();
    this.font = getComputedStyle(document.body).fontFamily;
  }

  resize() {
    const box = canvas.getBoundingClientRect(),
      scale = devicePixelRatio || 1;
    canvas.width = Math.round(box.width * scale);
    canvas.height = Math.round(box.height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const short = Math.min(box.width, box.height);
    this.most = Math.max(24, Math.min(50, short * 0.062));
    this.margin = this.pictures.there ? this.most * 1.15 + 16 : Math.max(64, Math.min(150, short * 0.17));
    const below = upright.matches ? 64 : 0; // the tools stand there
    Object.assign(this.view, {
      x: box.width / 2,
      y: (box.height - below) / 2,
      radius: Math.max(60, Math.min(box.width, box.height - below) / 2 - this.margin),
    });
    this.draw();
  }

  #paint() {
    context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    const open = this.pictures.there ? this.most * 1.45 : 30;
    const how = { open, dark: this.palette.dark, cut: this.cut, kept: this.route?.nodes ?? new Set() };
    this.scene = compose(this.forest, this.view, how);
    this.targets = paint(context, this.scene, this);
  }

  /** What stands under a pixel: the nearest thing that reaches there. */
  at(x, y) {
    let best = null,
      least = Infinity;
    for (const target of this.targets) {
      const far = Math.hypot(target.x - x, target.y - y);
      if (far <= target.reach && far / target.reach < least) [best, least] = [target, far / target.reach];
    }
    return best;
  }

  hover(id) {
    if (this.hovered !== id) {
      this.hovered = id;
      this.draw();
    }
  }

  /** Show a branch in the panel; bring it to the middle too, if asked. */
  async select(id, fly = false) {
    try {
      if (!this.forest.get(id)) await this.forest.route([id], []);
      const node = this.forest.get(id);
      this.selected = id;
      if (fly) this.view.flyTo(node.place);
      this.draw();
      const kind = node.children.length ? "Branch" : "Leaf";
      const parts = node.children.length ? ", two parts" : "";
      by("spoken").textContent = `${kind} ${node.id}, ${number(node.count)} points, depth ${node.depth}${parts}`;
      document.body.classList.add("open");
      await this.panel.branch(id);
    } catch (error) {
      this.say(error);
    }
  }

  clear() {
    this.selected = this.hovered = null;
    this.route = null;
    this.asked += 1;
    document.body.classList.remove("open");
    by("query").value = "";
    if (this.info) this.panel.welcome(this.info);
    this.draw();
  }

  async searchId(text) {
    if (text) await this.#search(() => byId(text, this.info.ids === "strings"), { id: text });
  }

  async searchImage(file) {
    await this.#search(() => byImage(file), { image: URL.createObjectURL(file) });
  }

  async #search(ask, query) {
    const turn = ++this.asked;
    document.body.classList.add("busy");
    try {
      const answer = await ask();
      const ids = [...(query.image ? [] : [query.id]), ...answer.hits.map((hit) => hit.id)];
      const seen = [...answer.probed, ...answer.levels.flat()].slice(0, MOST_SEEN);
      const places = await this.forest.route(seen, ids);
      if (turn !== this.asked) return; // another search was asked for meanwhile
      const origin = query.image ? null : places.shift();
      const hits = answer.hits.map((hit, i) => ({ ...hit, ...places[i] }));
      this.selected = null;
      this.view.home();
      this.route = new Route({ ...answer, hits, origin }, this.forest, this.view.still.matches);
      this.panel.found({ ...query, ...origin }, { ...answer, hits });
      document.body.classList.add("open");
      by("spoken").textContent = `${hits.length} found, in ${new Set(hits.map((hit) => hit.leaf)).size} leaves`;
      this.#follow(this.route);
      this.draw();
    } catch (error) {
      this.say(error);
    } finally {
      document.body.classList.remove("busy");
    }
  }

  /** Once the route has reached the leaves, fly to where most hits are. */
  #follow(route) {
    const focus = route.focus(this.forest);
    if (!focus || focus.id === this.forest.root) return;
    setTimeout(
      () => this.route === route && this.view.flyTo(focus.place, 1100),
      this.view.still.matches ? 0 : route.reached + 500,
    );
  }

  /** Colour the branches of the cut into so many. */
  async granularity(clusters) {
    const wanted = Math.max(1, Math.min(clusters, this.forest.leaves, MOST_CLUSTERS));
    this.clusters = wanted;
    by("cut").value = String(Math.round((1000 * Math.log(wanted)) / Math.log(Math.max(2, this.#most()))));
    by("cut-value").textContent = wanted === 1 ? "1 cluster" : `${number(wanted)} clusters`;
    try {
      const nodes = this.cuts.get(wanted) ?? (await this.forest.cut(wanted));
      this.cuts.set(wanted, nodes);
      if (this.clusters !== wanted) return; // the slider went on
      this.cut = wanted === 1 ? new Map() : new Map(nodes.map((node, rank) => [node.id, rank]));
      this.draw();
    } catch (error) {
      this.say(error);
    }
  }

  /** How many clusters the slider stands at: finely where there are few. */
  slid() {
    return Math.round(Math.exp((Number(by("cut").value) / 1000) * Math.log(Math.max(2, this.#most()))));
  }

  #most() {
    return Math.min(this.forest.leaves, MOST_CLUSTERS);
  }

  /** The index changed on the server: what was cut and found is of another tree. */
  async replaced() {
    this.cuts.clear();
    this.clear();
    this.info = await get("/v1/info");
    this.#words();
    this.panel.welcome(this.info);
    await this.granularity(Math.min(this.clusters, this.forest.leaves));
    this.say("The index has changed on the server; this is how it is now.");
  }

  say(what) {
    const notice = by("notice");
    notice.textContent = what instanceof Error ? what.message : what;
    notice.hidden = false;
    clearTimeout(this.quiet);
    this.quiet = setTimeout(() => (notice.hidden = true), 6000);
  }

  #words() {
    by("facts").textContent = `${number(this.info.points)} points · ${number(this.info.leaves.number)} leaves`;
    by("pick").hidden = this.info.learned?.from !== "images";
    by("key-button").hidden = !this.info.server.keys;
  }

  #labels() {
    const columns = this.info.payload;
    this.forest.label = columns.find((name) => LABELS.test(name)) ?? null;
    by("label").replaceChildren(
      el("option", { value: "" }, "id"),
      ...columns.map((name) => el("option", { value: name }, name)),
    );
    by("label").value = this.forest.label ?? "";
    by("label-choice").hidden = !columns.length || this.pictures.there;
  }
}
