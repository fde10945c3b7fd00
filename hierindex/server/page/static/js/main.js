/** Brings the explorer to the page: pointers, keys, forms, dropped images, and the server's key where it wants one. */

import { onKeyWanted, useKey } from "./api.js";
import { number } from "./dom.js";
import { Explorer, by, canvas } from "./explorer.js";
import { listen as gestures } from "./gestures.js";
import { listen as keys, neighbour } from "./keys.js";

export const app = new Explorer();

gestures(canvas, app.view, {
  at: (x, y) => app.at(x, y),
  hover(target, [x, y]) {
    app.hover(target?.one.node.id ?? null);
    canvas.classList.toggle("pointing", Boolean(target));
    const tip = by("tip");
    tip.hidden = !target;
    if (!target) return;
    const node = app.forest.get(target.one.node.id),
      item = target.item;
    const kind = node.children.length ? "Branch" : "Leaf";
    const point = item && (item.label ? `${item.label} · ${item.id}` : String(item.id));
    tip.textContent = point ?? `${kind} ${node.id} · ${number(node.count)} points`;
    const left = Math.min(x + 14, canvas.clientWidth - tip.offsetWidth - 8);
    tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(y + 18)}px)`;
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
by("zoom-in").addEventListener("click", () =>
  app.view.glide(app.selected === null ? [0.5, 0] : app.view.where(current().place), 0.7),
);
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
    dialog.addEventListener(
      "close",
      () => {
        const key = dialog.returnValue === "ok" ? by("key").value.trim() : "";
        if (key) useKey(key);
        resolve(key || null);
      },
      { once: true },
    );
  });
onKeyWanted(ask);
by("key-button").addEventListener("click", async () => (await ask("")) && app.start());

new ResizeObserver(() => app.resize()).observe(canvas);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  app.light();
  app.draw();
});
app.start();
