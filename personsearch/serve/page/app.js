// The frame of the page: which view is shown, the bar above it, drops and pastes, light and dark.

import { call } from "./api.js";
import { sightingDialog } from "./dialog.js";
import { busy, button, fill, h, problem, toast } from "./dom.js";
import { loginView } from "./login.js";
import { peopleView } from "./people.js";
import { personView } from "./person.js";
import { filesOf } from "./pictures.js";
import { current, numbers } from "./route.js";
import { searchView } from "./search.js";
import { timelineView } from "./timeline.js";
import { plural } from "./words.js";

const main = document.getElementById("main");
/** Views that were shown, so that "back" finds them as they were left. */
const views = new Map();
const VIEWS = 8;
/** What every view gets; `gallery` is replaced in place, so that views see the newest. */
const context = { gallery: null, refresh };
let view = null;
let shownKey = "";

const dialog = sightingDialog(() => ({
  gallery: context.gallery,
  sightings: view?.sightings() ?? [],
  liked: new Set(numbers(current().params.get("like"))),
  onJudge: view?.onJudge ?? null,
}));

async function refresh() {
  const fresh = await call("/api/gallery");
  const before = context.gallery;
  if (before && (before.images !== fresh.images || before.persons !== fresh.persons)) views.clear();
  context.gallery = before ? Object.assign(before, fresh) : fresh;
  const { name, images, persons, people, writable } = fresh;
  const facts = [plural(images, "scene"), persons ? plural(persons, "person", "people") : plural(people, "detection")];
  fill(
    document.getElementById("gallery-facts"),
    h("b", {}, name),
    h("span", { class: "counts" }, ` ${facts.join(" \u00b7 ")}`),
    writable ? null : h("span", {}, " \u00b7 read only"),
  );
}

async function start() {
  fill(main, busy("Opening the gallery"));
  view = null;
  shownKey = "";
  views.clear();
  try {
    await refresh();
  } catch (error) {
    if (error.status !== 401) fill(main, problem(error.message, start));
    return;
  }
  bar();
  route();
}

function bar() {
  const theme = button("Light or dark", nextTheme, { icon: "theme", look: "icon" });
  const leave = kept("personsearch-signed-in") ? button("Sign out", signOut, { look: "quiet" }) : null;
  fill(document.getElementById("bar-end"), leave, theme);
}

async function signOut() {
  try {
    await call("/api/session", { method: "DELETE" });
  } catch (error) {
    return toast(error.message, { kind: "error" });
  }
  keep("personsearch-signed-in", null);
  // Anew, so that no picture of the one who leaves stays in memory.
  history.replaceState(null, "", "#/search");
  return location.reload();
}

function tokenNeeded() {
  if (shownKey === "login") return;
  shownKey = "login";
  keep("personsearch-signed-in", null);
  context.gallery = null;
  dialog.update(null);
  fill(document.getElementById("gallery-facts"));
  document.body.classList.add("locked");
  view = loginView(() => {
    keep("personsearch-signed-in", "1");
    document.body.classList.remove("locked");
    start();
  });
  fill(main, view.element);
  view.focus();
  bar();
}

function nextTheme() {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const next = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  if (next === system) delete root.dataset.theme;
  else root.dataset.theme = next;
  keep("personsearch-theme", next === system ? null : next);
}

/** Keep a word in this browser, where it lets us. */
function keep(name, value) {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // Then it holds until the page is left.
  }
}

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Which view an address means. */
function made(name) {
  const person = name.match(/^people\/(\d+)$/);
  if (person) return personView(context, Number(person[1]));
  if (name === "people") return peopleView(context);
  if (name === "timeline") return timelineView(context);
  return searchView(context);
}

/** Show what the address means; on the way back the browser scrolls to where one was. */
function route({ back = false } = {}) {
  if (!context.gallery) return;
  const where = current();
  const key = /^(people|people\/\d+|timeline)$/.test(where.view) ? where.view : "search";
  if (key !== shownKey) {
    const moved = shownKey !== "";
    shownKey = key;
    for (const one of document.querySelectorAll(".toast.info")) if (moved) one.remove();
    view?.leave?.();
    view = views.get(key) ?? made(key);
    views.delete(key);
    views.set(key, view);
    if (views.size > VIEWS) views.delete(views.keys().next().value);
    fill(main, view.element);
    document.title = `${view.title} \u00b7 ${context.gallery.name} \u00b7 personsearch`;
    for (const tab of document.querySelectorAll(".tabs a")) {
      if (tab.dataset.view === key.split("/")[0]) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
    }
    if (moved) {
      if (!back) scrollTo(0, 0);
      main.focus({ preventScroll: true });
    }
  }
  view.update(where);
  const open = where.params.get("open");
  dialog.update(/^\d+$/.test(open ?? "") ? Number(open) : null);
}

/** Where a dragged picture may be let go: anywhere; with a search at hand, as another picture of the same person too. */
function drops() {
  let over = null;
  const zone = (text, add) => h("div", { class: "drop", "data-add": add ? "1" : "" }, h("p", {}, text));
  const end = () => {
    over?.remove();
    over = null;
  };
  const carries = (event) => context.gallery && [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragenter", (event) => {
    if (!carries(event) || over) return;
    const more = view?.searching?.();
    over = h(
      "div",
      { class: "drop-over" },
      zone(more ? "Search for somebody else" : "Let go to find the people in it", false),
      more ? zone("Another picture of the same person", true) : null,
    );
    document.body.append(over);
  });
  addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    for (const one of document.querySelectorAll(".drop")) one.classList.toggle("over", one.contains(event.target));
  });
  addEventListener("dragleave", (event) => !event.relatedTarget && end());
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    const add = Boolean(event.target.closest?.(".drop")?.dataset.add);
    const files = filesOf(event.dataTransfer);
    end();
    bring(files, add);
  });
  addEventListener("paste", (event) => {
    const files = filesOf(event.clipboardData);
    if (files.length && context.gallery) bring(files, false);
  });
}

function bring(files, add) {
  dialog.update(null);
  if (!view?.take) {
    history.pushState({ within: true }, "", "#/search");
    route();
  }
  view.take(files, add);
}

document.addEventListener("route", () => route());
document.addEventListener("token-needed", tokenNeeded);
addEventListener("popstate", (event) => {
  // A link's step has no state yet; with one it is known when the user comes back to it.
  if (!event.state) history.replaceState({ within: true }, "");
  route({ back: event.state !== null });
});
// A camera may have filled the gallery meanwhile.
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && context.gallery) refresh().catch(() => {});
});
addEventListener("unhandledrejection", (event) => {
  toast(event.reason?.message || "Something went wrong in this page. Reload it.", { kind: "error" });
});
drops();
start();
