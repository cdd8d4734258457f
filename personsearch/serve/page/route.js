// Where the page is: "#/search?for=d12&min=0.71". It names rows of the gallery and filters. Pictures and embeddings stay
// in memory; the address holds a random name for them, which says nothing to whoever gets the link.

/** @typedef {{view: string, params: URLSearchParams}} Route */

/** @returns {Route} */
export function current() {
  const [path, search = ""] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { view: path || "search", params: new URLSearchParams(search) };
}

/** The address of a view; a list is joined by commas, but cameras repeat, as their names may hold commas. */
export function address(view, values = {}) {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "" || value === false) continue;
    if (name === "camera" && Array.isArray(value)) value.forEach((one) => params.append(name, one));
    else if (Array.isArray(value)) value.length && params.set(name, value.join(","));
    else params.set(name, value === true ? "1" : value);
  }
  const text = params.toString();
  return `#/${view}${text ? `?${text}` : ""}`;
}

/** Go there; `replace` leaves no step for "back". */
export function go(view, values = {}, { replace = false } = {}) {
  const to = address(view, values);
  if (to === (location.hash || "#/search")) return;
  if (replace) history.replaceState(history.state, "", to);
  else history.pushState({ within: true }, "", to);
  document.dispatchEvent(new CustomEvent("route"));
}

/** All values of a route, so that one can be changed: lists stay lists. */
export function values(route) {
  const all = Object.fromEntries(route.params);
  if (route.params.has("camera")) all.camera = route.params.getAll("camera");
  return all;
}

/** Change some values of the present route. */
export function change(some, options) {
  const route = current();
  go(route.view, { ...values(route), ...some }, options);
}

/** Whole numbers of "3,8,12". */
export function numbers(text) {
  return (text ?? "")
    .split(",")
    .filter((one) => /^\d+$/.test(one))
    .map(Number);
}
