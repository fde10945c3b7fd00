/** Talking to the server that this page came from: JSON, problems, and the key where one is asked for. */

const KEY = "hierindex-key";

let askForKey = async () => null;

/** A refusal, in the server's own words. */
export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** What to do when the server wants a key: an async function (why) -> key, or null for none. */
export function onKeyWanted(ask) {
  askForKey = ask;
}

export function useKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

/** GET as JSON; params with arrays are repeated. */
export async function get(path, params = {}) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(params)) {
    for (const each of [value].flat()) if (each !== null && each !== undefined) words.append(name, each);
  }
  const query = words.toString();
  return parse(await (await ask(query ? `${path}?${query}` : path, {})).text());
}

/** POST of a JSON text or a form, as JSON. */
export async function post(path, body) {
  const headers = typeof body === "string" ? { "Content-Type": "application/json" } : {};
  return parse(await (await ask(path, { method: "POST", body, headers })).text());
}

/** GET as bytes; null where there is nothing. */
export async function bytes(path) {
  try {
    return await (await ask(path, {})).blob();
  } catch (error) {
    if (error instanceof Problem) return null;
    throw error;
  }
}

/** An id as it stands in a path. */
export function inPath(id) {
  return String(id).split("/").map(encodeURIComponent).join("/");
}

let asking = null;

async function ask(path, options, again = false) {
  const key = sessionStorage.getItem(KEY);
  const headers = { ...options.headers, ...(key ? { Authorization: `Bearer ${key}` } : {}) };
  const answer = await fetch(path, { ...options, headers, cache: "no-cache" });
  if (answer.ok) return answer;
  if (answer.status === 401 && !again) {
    asking ??= askForKey(key ? "The server does not know this key." : "").finally(() => (asking = null));
    if (await asking) return ask(path, options, true);
  }
  throw new Problem(answer.status, await detail(answer));
}

async function detail(answer) {
  try {
    return (await answer.json()).detail ?? answer.statusText;
  } catch {
    return `${answer.status} ${answer.statusText}`;
  }
}

/** JSON in which integers that JavaScript cannot hold (ids are 64 bits wide) stay the text that they were. */
function parse(text) {
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && !Number.isSafeInteger(value) && /^-?\d+$/.test(context?.source ?? "")
      ? context.source
      : value,
  );
}
