/** Thumbnails of points: asked for once, the latest first, and kept as long as there is room. */

import { bytes, inPath } from "./api.js";

const MOST = 1500;
const AT_ONCE = 6;
const SIZE = 96;

export class Pictures {
  #kept = new Map(); // id -> {bitmap, url}, or null where there is none; the least recently used first
  #waiting = new Map();
  #running = 0;

  /** @param {() => void} changed called when a picture has come */
  constructor(changed) {
    this.changed = changed;
    this.there = false; // whether the index has pictures at all
  }

  /** The picture of a point as a bitmap; undefined while it is not here, null if there is none. */
  bitmap(id) {
    return this.#get(id)?.bitmap ?? (this.#kept.has(id) ? null : undefined);
  }

  /** The same as the address of an image element. */
  async url(id) {
    if (!this.there) return null;
    if (this.#kept.has(id)) return this.#get(id)?.url ?? null;
    return new Promise((resolve) => this.#wait(id, (found) => resolve(found?.url ?? null)));
  }

  #get(id) {
    if (!this.there) return null;
    const found = this.#kept.get(id);
    if (found === undefined) {
      this.#wait(id);
      return undefined;
    }
    this.#kept.delete(id); // and behind again: it was used
    this.#kept.set(id, found);
    return found;
  }

  #wait(id, then = null) {
    const listeners = this.#waiting.get(id) ?? [];
    if (then) listeners.push(then);
    this.#waiting.delete(id);
    this.#waiting.set(id, listeners); // the latest last, which is taken first
    if (this.#waiting.size > 400) {
      const [oldest, heard] = this.#waiting.entries().next().value;
      if (!heard.length) this.#waiting.delete(oldest);
    }
    this.#next();
  }

  async #next() {
    if (this.#running >= AT_ONCE || !this.#waiting.size) return;
    const [id, listeners] = [...this.#waiting.entries()].pop();
    this.#waiting.delete(id);
    this.#kept.set(id, null);
    this.#running += 1;
    try {
      const blob = await bytes(`/v1/images/${inPath(id)}?size=${SIZE}`);
      if (blob) this.#kept.set(id, { bitmap: await createImageBitmap(blob), url: URL.createObjectURL(blob) });
    } catch {
      this.#kept.delete(id); // the network failed: another look asks again
    } finally {
      this.#running -= 1;
      for (const then of listeners) then(this.#kept.get(id));
      this.#forget();
      this.changed();
      this.#next();
    }
  }

  #forget() {
    while (this.#kept.size > MOST) {
      const [id, oldest] = this.#kept.entries().next().value;
      this.#kept.delete(id);
      oldest?.bitmap.close();
      if (oldest) URL.revokeObjectURL(oldest.url);
    }
  }
}
