// One person of the gallery: name, all appearances by camera and time; split, forget.

import { call, latest, Superseded } from "./api.js";
import { busy, button, confirmed, fill, h, noPicture, picture, problem, toast } from "./dom.js";
import { undo } from "./people.js";
import { changes, forgetStored } from "./query.js";
import { change, go } from "./route.js";
import { called, count, plural, span } from "./words.js";

/** So many appearances at first, and so many pictures of each. */
const FIRST = 60;
const VIEWS = 6;

/** @param {{gallery: object, refresh: () => Promise<void>}} context @param {number} id */
export function personView(context, id) {
  const fetching = latest();
  const chosen = new Set();
  let person = null;
  let most = FIRST;
  let seen = -1;
  const { writable } = context.gallery;

  const head = h("div", { class: "person-head" }, busy("Fetching this person"));
  const list = h("div", { class: "appearances" });
  const selection = h("div", {
    class: "selection",
    role: "region",
    "aria-label": "Selected appearances",
    hidden: true,
  });
  const element = h(
    "div",
    { class: "person" },
    h("p", {}, h("a", { href: "#/people" }, "\u2190 All people")),
    head,
    list,
    selection,
  );

  async function load() {
    seen = changes();
    chosen.clear();
    select();
    try {
      person = await fetching((signal) => call(`/api/people/${id}`, { signal }));
      introduce();
      draw();
    } catch (error) {
      if (!(error instanceof Superseded)) fill(head, problem(error.message, error.status === 404 ? null : load));
    }
  }

  function introduce() {
    const name = h("input", {
      type: "text",
      id: "person-name",
      value: person.name ?? "",
      placeholder: called(id, null),
      maxlength: "120",
      autocomplete: "off",
      spellcheck: "false",
    });
    const { cover } = person;
    const many = person.appearances.length;
    fill(
      head,
      h(
        "div",
        { class: "cover" },
        cover?.picture ? picture(`${cover.crop}?height=512`, "") : noPicture("No picture at hand"),
      ),
      h(
        "div",
        { class: "person-words" },
        h("h1", {}, called(id, person.name)),
        h(
          "p",
          {},
          `${plural(many, "appearance")} (${plural(person.detections, "picture")}), ${person.cameras.length ? `before ${person.cameras.join(", ")}` : "camera unknown"}`,
        ),
        h("p", { class: "faint" }, span(person.first_text, person.last_text)),
        writable
          ? h(
              "form",
              { class: "rename", onsubmit: (event) => (event.preventDefault(), rename(name.value.trim())) },
              h("label", { for: "person-name" }, "Name"),
              name,
              h("button", { type: "submit", class: "button" }, "Save"),
            )
          : null,
        h(
          "div",
          { class: "actions" },
          button("Search for this person", () => go("search", { for: `g${id}` }), { icon: "search", look: "primary" }),
          writable ? button("Forget this person", forget, { look: "danger quiet" }) : null,
        ),
      ),
    );
  }

  async function rename(name) {
    try {
      await call(`/api/people/${id}/name`, { method: "PUT", json: { name: name || null } });
      forgetStored();
      toast(name ? `Person ${id} is called ${name} now.` : `Person ${id} has no name now.`, {
        action: { text: "Undo", act: () => undo(load) },
      });
      await load();
    } catch (error) {
      toast(error.message, { kind: "error" });
    }
  }

  function draw() {
    const cameras = new Map();
    for (const one of person.appearances.slice(0, most)) {
      const camera = one.camera ?? "camera unknown";
      cameras.set(camera, [...(cameras.get(camera) ?? []), one]);
    }
    const left = person.appearances.length - most;
    fill(
      list,
      writable && person.appearances.length > 1
        ? h("p", { class: "faint" }, "Somebody else among them? Select those appearances and split them off.")
        : null,
      [...cameras].map(([camera, all]) =>
        h(
          "section",
          { class: "camera-group" },
          h("h2", {}, camera, h("span", { class: "faint" }, ` ${plural(all.length, "appearance")}`)),
          h("ul", { class: "appearance-list" }, all.map(appearance)),
        ),
      ),
      left > 0
        ? h(
            "div",
            { class: "more" },
            button(`More appearances (${count(left)} left)`, () => ((most += FIRST), draw())),
          )
        : null,
    );
  }

  function appearance(one) {
    const when = span(one.first_text, one.last_text);
    const box =
      writable && person.appearances.length > 1
        ? h("input", {
            type: "checkbox",
            checked: chosen.has(one),
            "aria-label": `Select the appearance ${when}`,
            onchange: () => {
              if (box.checked) chosen.add(one);
              else chosen.delete(one);
              row.classList.toggle("chosen", box.checked);
              select();
            },
          })
        : null;
    const views = one.sightings.slice(0, VIEWS).map((sighting) =>
      h(
        "button",
        {
          type: "button",
          class: "mini",
          "aria-label": `Show the scene, ${sighting.time_text || when}`,
          onclick: () => change({ open: sighting.detection_id }),
        },
        sighting.picture ? picture(`${sighting.crop}?height=256`, "") : noPicture("no picture"),
      ),
    );
    const row = h(
      "li",
      { class: `appearance ${chosen.has(one) ? "chosen" : ""}` },
      h(
        "label",
        { class: "appearance-words" },
        box,
        h(
          "span",
          {},
          when,
          h("span", { class: "faint" }, one.track_id === null ? "" : ` ${plural(one.frames, "frame")}`),
        ),
      ),
      h("div", { class: "views" }, views),
    );
    return row;
  }

  function select() {
    selection.hidden = !chosen.size;
    if (!chosen.size) return;
    const all = chosen.size === person.appearances.length;
    fill(
      selection,
      h("p", {}, h("b", {}, plural(chosen.size, "appearance")), all ? " selected: leave at least one." : " selected"),
      button("Clear", () => (chosen.clear(), select(), draw())),
      button("This is somebody else: split off", split, { look: "primary", attributes: { disabled: all } }),
    );
  }

  async function split() {
    const tracks = [...chosen].filter((one) => one.track_id !== null).map((one) => one.track_id);
    const detections = [...chosen]
      .filter((one) => one.track_id === null)
      .flatMap((one) => one.sightings.map((sighting) => sighting.detection_id));
    try {
      const made = await call(`/api/people/${id}/split`, { json: { tracks, detections } });
      forgetStored();
      toast(`Split off as ${called(made.person_id, made.name)}.`, { action: { text: "Undo", act: () => undo(load) } });
      await load();
      await context.refresh();
    } catch (error) {
      toast(error.message, { kind: "error" });
    }
  }

  async function forget() {
    const name = called(id, person.name);
    const sure = await confirmed({
      title: `Forget ${name}?`,
      text:
        `Every row, track and name of ${name} is erased from the gallery: ${plural(person.appearances.length, "appearance")}, ${plural(person.detections, "picture")} of them. ` +
        "This cannot be undone. The pictures that were indexed stay where they are; erase them yourself.",
      yes: "Erase for good",
    });
    if (!sure) return;
    try {
      const { erased } = await call(`/api/people/${id}`, { method: "DELETE" });
      forgetStored();
      toast(`${name} is forgotten: ${plural(erased, "stored picture")} of them erased.`);
      await context.refresh();
      go("people", {}, { replace: true });
    } catch (error) {
      toast(error.message, { kind: "error" });
    }
  }

  return {
    element,
    title: `Person ${id}`,
    update: () => void (seen !== changes() && load()),
    sightings: () => person?.appearances.flatMap((one) => one.sightings) ?? [],
  };
}
