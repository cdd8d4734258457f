// The people of the gallery as cards: cover, name, how often they were seen. Merge those who are one.

import { call, latest, query, Superseded } from "./api.js";
import { busy, button, confirmed, fill, h, noPicture, picture, problem, toast } from "./dom.js";
import { changes, forgetStored } from "./query.js";
import { change } from "./route.js";
import { called, plural, span } from "./words.js";

const LIMIT = 48;
const SORTS = [
  ["appearances", "Seen most often"],
  ["first", "Seen first"],
  ["name", "By name"],
];

/** How much a count of people can be believed; the figures are those of docs/people.md. */
const CAVEAT =
  "This count is of groups that look alike, and runs a sixth to a third too high: backs, half-hidden people and things " +
  "taken for somebody stand alone. From about 20 people on, expect to correct by hand.";

/** Take the last decision back, and say which it was. */
export async function undo(after) {
  try {
    const { undone } = await call("/api/people/undo", { json: {} });
    forgetStored();
    toast(undone ? `Taken back: ${undone.text}` : "There is nothing to take back.");
    await after();
  } catch (error) {
    toast(error.message, { kind: "error" });
  }
}

/** @param {{gallery: object, refresh: () => Promise<void>}} context */
export function peopleView(context) {
  const fetching = latest();
  const chosen = new Map();
  let shown = [];
  let asked = "";

  const head = h("div", { class: "view-head" });
  const tools = h("div", { class: "tools" });
  const grid = h("ul", { class: "people-grid" });
  const foot = h("div", { class: "more" });
  const selection = h("div", { class: "selection", role: "region", "aria-label": "Selected people" });
  const element = h("div", { class: "people" }, head, tools, grid, foot, selection);

  const sort = h(
    "select",
    { id: "sort", onchange: () => change({ sort: sort.value === "appearances" ? null : sort.value }) },
    SORTS.map(([value, text]) => h("option", { value }, text)),
  );
  const camera = h(
    "select",
    { id: "people-camera", onchange: () => change({ camera: camera.value || null }) },
    h("option", { value: "" }, "All cameras"),
    context.gallery.cameras.map((one) => h("option", { value: one.camera }, one.camera)),
  );

  function update({ params }) {
    sort.value = params.get("sort") ?? "appearances";
    camera.value = params.get("camera") ?? "";
    if (key() !== asked) load();
  }

  const key = () => `${sort.value} ${camera.value} ${changes()}`;

  async function load() {
    asked = key();
    shown = [];
    chosen.clear();
    select();
    fill(grid);
    await more();
  }

  async function more() {
    fill(foot, busy("Fetching people"));
    const values = { offset: shown.length, limit: LIMIT, sort: sort.value, camera: camera.value };
    try {
      const page = await fetching((signal) => call(`/api/people${query(values)}`, { signal }));
      shown.push(...page.people);
      grid.append(...page.people.map(card));
      introduce(page);
      fill(foot, shown.length < page.total && page.people.length ? button("More people", more) : null);
    } catch (error) {
      if (!(error instanceof Superseded)) fill(foot, problem(error.message, more));
    }
  }

  function introduce({ total, ungrouped }) {
    const { images, writable } = context.gallery;
    if (!images)
      return fill(
        head,
        h("h1", {}, "This gallery is empty"),
        h("p", { class: "faint" }, "There is nobody to group yet."),
      );
    const nobody = !total && !camera.value;
    const people = plural(total, "person", "people");
    const waiting =
      ungrouped && !nobody
        ? ` ${plural(ungrouped, "person", "people")} detected since then ${ungrouped === 1 ? "is" : "are"} not grouped yet.`
        : "";
    fill(
      head,
      h("h1", {}, nobody ? "Nobody is grouped yet" : camera.value ? `${people} seen by ${camera.value}` : people),
      h(
        "p",
        { class: "faint" },
        nobody
          ? "Grouping puts the appearances together that look like one person, across cameras and time."
          : `${CAVEAT}${waiting}`,
      ),
    );
    const group =
      writable && (ungrouped || nobody)
        ? button(nobody ? "Group now" : "Group the rest", groupNow, { look: nobody ? "primary large" : "" })
        : null;
    fill(
      tools,
      group,
      nobody && !writable
        ? h("p", { class: "note" }, "This service only reads. Group on the command line: personsearch people GALLERY")
        : null,
      nobody
        ? null
        : [
            h("span", { class: "pair" }, h("label", { for: "sort" }, "Order"), sort),
            context.gallery.cameras.length > 1
              ? h("span", { class: "pair" }, h("label", { for: "people-camera" }, "Camera"), camera)
              : null,
            writable ? button("Undo the last decision", () => undo(load), { icon: "undo", look: "quiet" }) : null,
          ],
    );
    return undefined;
  }

  async function groupNow() {
    fill(foot, busy("Grouping. A large gallery takes up to a minute."));
    for (const one of tools.querySelectorAll("button")) one.disabled = true;
    try {
      const grouping = await call("/api/people/group", { json: {} });
      forgetStored();
      toast(
        `${plural(grouping.appearances, "appearance")} grouped into ${plural(grouping.persons, "person", "people")}.`,
      );
      await context.refresh();
      await load();
    } catch (error) {
      for (const one of tools.querySelectorAll("button")) one.disabled = false;
      fill(foot, problem(error.message, groupNow));
    }
  }

  function card(person) {
    const name = called(person.person_id, person.name);
    const many = typeof person.appearances === "number" ? person.appearances : person.appearances.length;
    const box = context.gallery.writable
      ? h("input", {
          type: "checkbox",
          "aria-label": `Select ${name}`,
          onchange: () => {
            if (box.checked) chosen.set(person.person_id, name);
            else chosen.delete(person.person_id);
            select();
          },
        })
      : null;
    return h(
      "li",
      { class: "person-card" },
      h(
        "a",
        { class: "crop", href: `#/people/${person.person_id}`, "aria-label": `${name}, ${plural(many, "appearance")}` },
        person.cover?.picture ? picture(`${person.cover.crop}?height=384`, "") : noPicture("No picture at hand"),
      ),
      box ? h("label", { class: "pick" }, box) : null,
      h("p", { class: "person-name" }, name),
      h("p", {}, plural(many, "appearance")),
      h("p", { class: "faint" }, person.cameras.join(", ")),
      h("p", { class: "faint" }, span(person.first_text, person.last_text)),
    );
  }

  function select() {
    const names = [...chosen.values()];
    selection.hidden = names.length === 0;
    element.classList.toggle("selecting", names.length > 0);
    for (const one of grid.children) one.classList.toggle("chosen", Boolean(one.querySelector("input")?.checked));
    if (!names.length) return;
    fill(
      selection,
      h(
        "p",
        {},
        h("b", {}, plural(names.length, "person", "people")),
        ` selected: ${names.slice(0, 4).join(", ")}${names.length > 4 ? " \u2026" : ""}`,
      ),
      button("Clear", () => {
        chosen.clear();
        for (const one of grid.querySelectorAll("input:checked")) one.checked = false;
        select();
      }),
      button("They are one person: merge", merge, { look: "primary", attributes: { disabled: names.length < 2 } }),
    );
  }

  async function merge() {
    const ids = [...chosen.keys()].sort((a, b) => a - b);
    const names = ids.map((id) => chosen.get(id));
    const sure =
      ids.length <= 5 ||
      (await confirmed({
        title: `Merge ${ids.length} people?`,
        text: "They become one person. It can be undone.",
        yes: "Merge",
      }));
    if (!sure) return;
    try {
      await call("/api/people/merge", { json: { person_ids: ids } });
      forgetStored();
      toast(`Merged: ${names.join(", ")}.`, { action: { text: "Undo", act: () => undo(load) } });
      await load();
      await context.refresh();
    } catch (error) {
      toast(error.message, { kind: "error" });
    }
  }

  return { element, title: "People", update, sightings: () => shown.map((one) => one.cover).filter(Boolean) };
}
