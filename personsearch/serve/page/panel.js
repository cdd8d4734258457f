// Whom the search is for: every picture of the person with a button to take it out, what was confirmed and rejected.

import { button, fill, h, noPicture, picture, toast } from "./dom.js";
import { broughtPerson, itemsOf, storedOf } from "./query.js";
import { change, numbers } from "./route.js";
import { called, plural, whereAndWhen } from "./words.js";
import { pictureOf } from "./pictures.js";

/**
 * @param {{onAdd: () => void, onShowPicture: (id: string) => void}} options
 * @returns {{element: HTMLElement, update: (params: URLSearchParams) => void}}
 */
export function queryPanel({ onAdd, onShowPicture }) {
  const title = h("h2", {}, "Looking for");
  const list = h("ul", { class: "query-list" });
  const judged = h("div", { class: "judged" });
  const combine = h("div", { class: "combine" });
  const add = button("Add a picture", onAdd, {
    icon: "add",
    look: "quiet",
    attributes: { title: "Another picture of the same person" },
  });
  const clear = button("Start again", () => (location.hash = "#/search"), { look: "quiet" });
  const element = h(
    "section",
    { class: "query-panel", "aria-label": "Whom you are looking for" },
    title,
    list,
    combine,
    h("div", { class: "actions" }, add, clear),
    judged,
  );

  function update(params) {
    const items = itemsOf(params);
    fill(
      list,
      items.map((item) => entry(item, items.length, onShowPicture)),
    );
    title.hidden = list.hidden = !items.length;
    const several = items.filter((one) => one.kind === "picture").length > 1;
    fill(combine, several ? combiner(params.get("combine")) : null);
    fill(
      judged,
      strip("like", "confirmed", numbers(params.get("like"))),
      strip("unlike", "rejected", numbers(params.get("unlike"))),
    );
  }

  return { element, update };
}

/** Take one item out of the query. */
function without(item) {
  const items = itemsOf(new URLSearchParams(location.hash.split("?")[1] ?? ""));
  change({ for: items.map((one) => one.text).filter((one) => one !== item.text), k: null });
}

function entry(item, of, onShowPicture) {
  const face = h("span", { class: "face" });
  const words = h("span", { class: "query-words" });
  const remove = button("Take this picture out", () => without(item), { icon: "cross", look: "icon small" });
  if (item.kind === "picture") {
    const [from, person] = [pictureOf(item.picture), broughtPerson(item)];
    if (!person) {
      fill(face, noPicture("gone"));
      fill(words, "A picture that this page no longer has");
    } else {
      fill(face, person.thumb ? h("img", { src: person.thumb, alt: "" }) : noPicture("no preview"));
      fill(
        words,
        button(from.name, () => onShowPicture(from.id), {
          look: "link name",
          attributes: { title: "Show this picture" },
        }),
        h("span", { class: "faint" }, person.score === null ? "drawn by hand" : "detected"),
      );
    }
  } else if (item.kind === "track") {
    fill(face, noPicture("track"));
    fill(words, `Track ${item.number}`);
  } else {
    storedOf(item)
      .then((one) => {
        const sighting = one.cover ?? one;
        fill(face, sighting.picture ? picture(`${sighting.crop}?height=256`, "") : noPicture("no picture"));
        fill(
          words,
          item.kind === "person"
            ? h("a", { href: `#/people/${item.number}` }, called(item.number, one.name))
            : h(
                "button",
                {
                  type: "button",
                  class: "button link",
                  title: "Show the scene",
                  onclick: () => change({ open: item.number }),
                },
                whereAndWhen(one),
              ),
          h(
            "span",
            { class: "faint" },
            item.kind === "person"
              ? plural(one.appearances.length ?? one.appearances, "appearance")
              : "from the gallery",
          ),
        );
      })
      .catch((error) => (fill(face, noPicture("gone")), fill(words, error.message)));
  }
  return h("li", { class: "query-item" }, face, words, of > 1 || item.kind === "picture" ? remove : null);
}

function combiner(value) {
  const select = h(
    "select",
    { id: "combine", onchange: () => change({ combine: select.value || null }) },
    h("option", { value: "" }, "by the mean of these pictures"),
    h("option", { value: "best" }, "by whichever picture is most alike"),
  );
  select.value = value ?? "";
  return [h("label", { for: "combine", class: "faint" }, "Compare"), select];
}

/** Confirmed or rejected matches as small pictures; a click takes the judgement back. */
function strip(name, word, ids) {
  if (!ids.length) return null;
  const back = (gone) => {
    change({ [name]: ids.filter((one) => !gone.includes(one)), k: null });
    if (gone.length > 1) toast(`${plural(gone.length, "match", "matches")} no longer ${word}.`);
  };
  return h(
    "div",
    { class: `strip ${name}` },
    h(
      "p",
      {},
      h("b", {}, `${ids.length} ${word}`),
      " ",
      button("Take all back", () => back(ids), { look: "link" }),
    ),
    h(
      "ul",
      {},
      ids.map((id) =>
        h(
          "li",
          {},
          h(
            "button",
            {
              type: "button",
              class: "mini",
              title: "Take back",
              "aria-label": `No longer ${word}: match ${id}`,
              onclick: () => back([id]),
            },
            picture(`/api/detections/${id}/crop.jpg?height=128`, ""),
          ),
        ),
      ),
    ),
  );
}
