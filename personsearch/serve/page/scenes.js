// Scenes of the gallery as cards: the picture, its people boxed, camera and time. A click on a person searches.

import { call, latest, query, Superseded } from "./api.js";
import { busy, button, fill, h, noPicture, picture, place, problem } from "./dom.js";
import { change, go } from "./route.js";
import { called, plural, whereAndWhen } from "./words.js";

/** One scene as a card. */
export function sceneCard(scene) {
  const first = scene.people.find((one) => one.picture);
  const [height, width] = scene.image_size ?? [0, 0];
  const label = `Scene ${scene.image_id}`;
  const frame = h("div", { class: "frame", style: { "--ratio": String(width && height ? width / height : 1.5) } });
  if (first) frame.append(picture(`${first.scene}?width=640`, label));
  else frame.append(noPicture(scene.people.length ? "The picture is not at hand" : "Nobody was found in this scene"));
  if (width && height) {
    const ordered = [...scene.people].sort((a, b) => a.box[0] - b.box[0]);
    frame.append(
      h(
        "div",
        { class: "boxes" },
        ordered.map((one, index) => storedBox(one, index, ordered.length, width, height)),
      ),
    );
  }
  const open = scene.people.length
    ? button(`Open ${label}`, () => change({ open: scene.people[0].detection_id }), {
        icon: "expand",
        look: "icon small corner",
      })
    : null;
  return h(
    "li",
    { class: "scene-card" },
    h("div", { class: "scene-frame" }, frame, open),
    h("p", { class: "where" }, whereAndWhen(scene)),
    h("p", { class: "faint name" }, `${scene.image_id} \u00b7 ${plural(scene.people.length, "person", "people")}`),
  );
}

/** A stored person as a box over a scene; a click searches for them. */
export function storedBox(one, index, total, width, height) {
  const who = one.person_id === null ? `person ${index + 1} of ${total}` : called(one.person_id, one.person_name);
  const box = button("", () => go("search", { for: `d${one.detection_id}` }), {
    look: "box",
    attributes: { "aria-label": `Search for ${who}`, title: `Search for ${who}`, "data-detection": one.detection_id },
  });
  const [x1, y1, x2, y2] = one.box;
  box.style.zIndex = String(Math.max(1, 10000 - Math.round((10000 * (x2 - x1) * (y2 - y1)) / (width * height))));
  return place(box, one.box, width, height);
}

/**
 * A list of scenes that grows by "more".
 * @param {{filters: object, empty: string, limit?: number, varied?: boolean}} options varied = leave out scenes that show
 *   nobody new: consecutive frames of a video
 * @returns {{element: HTMLElement, scenes: object[]}} `scenes` fills as they arrive
 */
export function sceneList({ filters, empty, limit = 12, varied = false }) {
  const scenes = [];
  const list = h("ul", { class: "scene-grid" });
  const foot = h("div", { class: "more" });
  const element = h("div", {}, list, foot);
  const one = latest();
  const tracks = new Set();

  function isNew({ people }) {
    const fresh = people.filter((person) => person.track_id === null || !tracks.has(person.track_id));
    for (const person of people) tracks.add(person.track_id);
    return fresh.length > 0;
  }

  async function more(after) {
    fill(foot, busy("Fetching scenes"));
    try {
      const page = await one((signal) => call(`/api/scenes${query({ ...filters, after, limit })}`, { signal }));
      const shown = varied ? page.scenes.filter(isNew) : page.scenes;
      scenes.push(...shown);
      list.append(...shown.map(sceneCard));
      if (page.next !== null)
        fill(
          foot,
          button("More scenes", () => more(page.next)),
        );
      else fill(foot, scenes.length ? null : h("p", { class: "empty" }, empty));
    } catch (error) {
      if (!(error instanceof Superseded))
        fill(
          foot,
          problem(error.message, () => more(after)),
        );
    }
  }

  more(null);
  return { element, scenes };
}
