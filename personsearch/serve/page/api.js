// Calls of the service. Every failure becomes an ApiError with a sentence that can be shown as it is.

/** A refused or failed call; `status` is 0 where the service did not answer. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** Thrown where a later call of the same kind has made an answer useless. */
export class Superseded extends Error {}

const PATIENCE = 3;

/**
 * Call the service.
 * @param {string} path
 * @param {{method?: string, json?: object, form?: FormData, signal?: AbortSignal}} [options]
 * @returns {Promise<any>} the JSON of the answer
 */
export async function call(path, { method, json, form, signal } = {}) {
  const body = json === undefined ? form : JSON.stringify(json);
  const headers = json === undefined ? {} : { "Content-Type": "application/json" };
  for (let attempt = 1; ; attempt += 1) {
    const response = await send(path, { method: method ?? (body ? "POST" : "GET"), body, headers, signal });
    if (response.ok) return response.status === 204 ? null : response.json();
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status === 503 && wait > 0 && wait <= 10 && attempt < PATIENCE) {
      await pause(wait * 1000, signal);
      continue;
    }
    if (response.status === 401 && path !== "/api/session") document.dispatchEvent(new CustomEvent("token-needed"));
    throw new ApiError(await sentence(response), response.status);
  }
}

async function send(path, options) {
  try {
    return await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
  } catch (error) {
    if (error.name === "AbortError") throw new Superseded();
    throw new ApiError("The service does not answer. Is personsearch serve still running, and the network there?", 0);
  }
}

async function sentence(response) {
  try {
    const { error } = await response.json();
    // What begins with the name of an input ("k: is too large") stays as it is.
    if (typeof error === "string" && error)
      return error.replace(/^[a-z]+(?=[ ,])/, (word) => word[0].toUpperCase() + word.slice(1));
  } catch {
    // Not our JSON: a proxy's page, or nothing.
  }
  return `The service answered ${response.status} ${response.statusText} and gave no reason.`;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => (clearTimeout(timer), reject(new Superseded())), { once: true });
  });
}

/**
 * Return a function that runs one call at a time: a new one aborts the one before it, whose answer never arrives. Its
 * `cancel` aborts without a new one.
 * @returns {(<T>(work: (signal: AbortSignal) => Promise<T>) => Promise<T>) & {cancel: () => void}}
 */
export function latest() {
  let current = null;
  const run = async (work) => {
    current?.abort();
    const own = (current = new AbortController());
    try {
      const result = await work(own.signal);
      if (own.signal.aborted) throw new Superseded();
      return result;
    } catch (error) {
      throw own.signal.aborted ? new Superseded() : error;
    }
  };
  run.cancel = () => current?.abort();
  return run;
}

/** "?a=1&b=2" of the values that are there; a list repeats its name. */
export function query(values) {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    for (const one of Array.isArray(value) ? value : [value])
      if (one !== null && one !== undefined && one !== "") parts.append(name, one);
  const text = parts.toString();
  return text ? `?${text}` : "";
}

/** A form of the values that are there. */
export function form(values) {
  const data = new FormData();
  for (const [name, value] of Object.entries(values))
    if (value !== null && value !== undefined && value !== "") data.append(name, value);
  return data;
}
