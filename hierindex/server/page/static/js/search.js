/** Searching from the page: by the id of a point or by an image, with what the search went through. */

import { post } from "./api.js";

const K = 24;

/**
 * @param {string} text what was typed @param {boolean} ofStrings whether ids are strings
 * @returns {Promise<object>} see `answered`
 */
export async function byId(text, ofStrings) {
  // an integer goes as it was typed: 64 bits do not fit into a number of JavaScript
  const id = !ofStrings && /^\d{1,19}$/.test(text) ? text : JSON.stringify(text);
  const found = await post("/v1/search", `{"id": ${id}, "k": ${K}, "explain": true}`);
  return answered(found);
}

/** @param {Blob} file @returns {Promise<object>} see `answered` */
export async function byImage(file) {
  const form = new FormData();
  form.append("image", file, "query");
  form.append("request", JSON.stringify({ k: K, explain: true }));
  return answered(await post("/v1/search/image", form));
}

/** Hits, and the route: nodes kept at each level and leaves scanned, both empty where all points were compared. */
function answered({ results: [hits], explanation }) {
  return {
    hits,
    exact: explanation.exact,
    levels: explanation.levels,
    probed: explanation.leaves,
    scanned: explanation.scanned,
    seconds: Object.values(explanation.seconds).reduce((sum, each) => sum + each, 0),
  };
}
