/** The explorer: brings the tree, the view, the panel and the search together. */

import { get, onKeyWanted, useKey } from "./api.js";
import { palette } from "./colours.js";
import { el, number } from "./dom.js";
import { Forest } from "./forest.js";
import { listen as gestures } from "./gestures.js";
import { listen as keys, neighbour } from "./keys.js";
import { onBoundary } from "./mobius.js";
import { paint } from "./paint.js";
import { Panel } from "./panel.js";
import { Pictures } from "./pictures.js";
import { Route } from "./route.js";
import { compose } from "./scene.js";
import { byId, byImage } from "./search.js";
import { View } from "./view.js";

const by = (id) => document.getElementById(id);
const canvas = by("disk"), context = canvas.getContext("2d");
const narrow = matchMedia("(max-width: 760px)");
const LABELS = /^(title|name|label|caption|text|headline)$/i;

class Explorer {
  constructor() {
    this.info = null;
    this.selected = this.hovered = null;
    this.route = null;
    this.cut = new Map();
    this.cuts = new Map();
    this.clusters = 0;
    this.asked = 0; // searches; an answer that comes after a later one was asked for is not shown
    this.targets = [];
    this.palette = palette();
    this.view = new View(() => this.draw());
    this.forest = new Forest(() => this.draw(), () => this.replaced());
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

  resize() {
    const box = canvas.getBoundingClientRect(), scale = devicePixelRatio || 1;
    canvas.width = Math.round(box.width * scale);
    canvas.height = Math.round(box.height * scale);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    const short = Math.min(box.width, box.height);
    this.most = Math.max(24, Math.min(50, short * 0.062));
    this.margin = this.pictures.there ? this.most * 1.15 + 16 : Math.max(64, Math.min(150, short * 0.17));
    const below = narrow.matches ? 64 : 0; // the tools stand there
    Object.assign(this.view, {
      x: box.width / 2,
      y: (box.height - below) / 2,
      radius: Math.max(60, Math.min(box.width, box.height - below) / 2 - this.margin),
    });
    this.draw();
  }

  #paint() {
    const box = canvas.getBoundingClientRect();
    context.clearRect(0, 0, box.width, box.height);
    const how = { open: this.pictures.there ? this.most * 1.45 : 30, dark: this.palette.dark, cut: this.cut, kept: this.route?.nodes ?? new Set() };
    this.scene = compose(this.forest, this.view, how);
    this.targets = paint(context, this.scene, { ...this, font: getComputedStyle(document.body).fontFamily });
  }

  /** What stands under a pixel: the nearest thing that reaches there. */
  at(x, y) {
    let best = null, least = Infinity;
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
      by("spoken").textContent = `${kind} ${node.id}, ${number(node.count)} points, depth ${node.depth}${node.children.length ? ", two parts" : ""}`;
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
      const places = await this.forest.route([...answer.levels.flat(), ...answer.probed], ids);
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
    setTimeout(() => this.route === route && this.view.flyTo(focus.place, 1100), this.view.still.matches ? 0 : route.reached + 500);
  }

  /** Colour the branches of the cut into so many. */
  async granularity(clusters) {
    const wanted = Math.max(1, Math.min(clusters, this.forest.leaves, 500));
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
    return Math.min(this.forest.leaves, 500);
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
    by("label").replaceChildren(el("option", { value: "" }, "id"), ...columns.map((name) => el("option", { value: name }, name)));
    by("label").value = this.forest.label ?? "";
    by("label-choice").hidden = !columns.length || this.pictures.there;
  }
}

export const app = new Explorer();

gestures(canvas, app.view, {
  at: (x, y) => app.at(x, y),
  hover(target, [x, y]) {
    app.hover(target?.one.node.id ?? null);
    canvas.classList.toggle("pointing", Boolean(target));
    const tip = by("tip");
    tip.hidden = !target;
    if (!target) return;
    const node = app.forest.get(target.one.node.id), item = target.item;
    tip.textContent = item ? (item.label ? `${item.label} · ${item.id}` : String(item.id)) : `${node.children.length ? "Branch" : "Leaf"} ${node.id} · ${number(node.count)} points`;
    tip.style.transform = `translate(${Math.round(Math.min(x + 14, canvas.clientWidth - tip.offsetWidth - 8))}px, ${Math.round(y + 18)}px)`;
  },
  click(target) {
    canvas.focus({ preventScroll: true });
    if (target?.item) app.searchId(String(target.item.id));
    else if (target) app.select(target.one.node.id);
  },
  open(target, point) {
    if (target) app.view.flyTo(app.forest.get(target.one.node.id).place);
    else app.view.glide(point, 3);
  },
});

const current = () => app.forest.get(app.selected ?? app.forest.root);
keys(
  canvas,
  {
    parent: () => current()?.parent !== null && app.select(current().parent, true),
    child() {
      if (app.selected === null) return app.select(app.forest.root, true);
      const children = app.forest.children(current()) ?? [];
      const largest = [...children].sort((a, b) => b.count - a.count)[0];
      return largest && app.select(largest.id, true);
    },
    beside(step) {
      const next = current() && neighbour(app.forest, current(), step);
      return next && app.select(next.id, true);
    },
    open() {
      const node = current();
      app.view.flyTo(node.place);
      app.select(node.id).then(() => by("panel").focus());
    },
    zoom(way) {
      const aim = app.selected === null ? [0.5, 0] : app.view.where(current().place);
      app.view.glide(Math.hypot(...aim) < 0.05 ? [0.5, 0] : aim, way * 0.7);
    },
    home: () => app.view.home(),
    clear: () => app.clear(),
  },
  () => by("query").focus(),
);

by("search").addEventListener("submit", (event) => {
  event.preventDefault();
  app.searchId(by("query").value.trim());
});
by("cut").addEventListener("input", () => {
  const clusters = app.slid();
  by("cut-value").textContent = `${number(clusters)} clusters`;
  clearTimeout(app.sliding);
  app.sliding = setTimeout(() => app.granularity(clusters), 60);
});
by("label").addEventListener("change", () => {
  app.forest.label = by("label").value || null;
  app.cuts.clear();
  app.forest.plant().then(() => app.granularity(app.clusters));
});
by("zoom-in").addEventListener("click", () => app.view.glide(app.selected === null ? [0.5, 0] : app.view.where(current().place), 0.7));
by("zoom-out").addEventListener("click", () => app.view.glide([0, 0], -0.7));
by("home").addEventListener("click", () => app.view.home());

// an image: dropped anywhere, pasted, or picked
const file = by("file");
by("pick").addEventListener("click", () => file.click());
file.addEventListener("change", () => {
  if (file.files[0]) app.searchImage(file.files[0]);
  file.value = "";
});
const images = (items) => [...(items ?? [])].filter((each) => each.type.startsWith("image/"));
addEventListener("dragover", (event) => {
  event.preventDefault();
  by("drop").hidden = false;
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) by("drop").hidden = true;
});
addEventListener("drop", (event) => {
  event.preventDefault();
  by("drop").hidden = true;
  const [image] = images(event.dataTransfer?.files);
  if (image) app.searchImage(image);
  else app.say("That was no image file; drop a PNG or a JPEG, or type an id.");
});
addEventListener("paste", (event) => {
  const [image] = images(event.clipboardData?.files);
  if (image) app.searchImage(image);
});

// a key, where the server asks for one
const dialog = by("key-dialog");
const ask = (why) =>
  new Promise((resolve) => {
    if (why) by("key-why").textContent = why;
    by("key").value = "";
    dialog.showModal();
    dialog.addEventListener("close", () => {
      const key = dialog.returnValue === "ok" ? by("key").value.trim() : "";
      if (key) useKey(key);
      resolve(key || null);
    }, { once: true });
  });
onKeyWanted(ask);
by("key-button").addEventListener("click", async () => (await ask("")) && app.start());

new ResizeObserver(() => app.resize()).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  app.palette = palette();
  app.draw();
});
app.start();
