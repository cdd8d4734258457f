// The ranked matches as crops. Enter opens the scene, y confirms, n rejects, arrow keys go from tile to tile.

import { button, fill, h, noPicture, picture } from "./dom.js";
import { change } from "./route.js";
import { called, meaning, similarity, whereAndWhen } from "./words.js";

/**
 * @param {{onJudge: (id: number, verdict: "like"|"unlike") => void}} options
 * @returns {{element: HTMLElement, update: (matches: object[], liked: Set<number>) => void}}
 */
export function matchGrid({ onJudge }) {
  const element = h("ol", { class: "match-grid", "aria-label": "Matches, the most alike first", onkeydown: keys });

  function keys(event) {
    const tile = event.target.closest(".match");
    if (!tile || event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.toLowerCase();
    const tiles = [...element.children];
    const at = tiles.indexOf(tile);
    const columns = tiles.filter((one) => one.offsetTop === tiles[0].offsetTop).length;
    const step = { arrowright: 1, arrowleft: -1, arrowdown: columns, arrowup: -columns }[key];
    if (step) tiles[at + step]?.querySelector(".crop").focus();
    else if (key === "y" || key === "n") onJudge(Number(tile.dataset.detection), key === "y" ? "like" : "unlike");
    else return;
    event.preventDefault();
  }

  let drawn = null;

  function update(matches, liked) {
    const key = [...liked].join();
    if (drawn?.matches === matches && drawn.key === key) return;
    drawn = { matches, key };
    const focused = element.contains(document.activeElement) ? document.activeElement.closest(".match") : null;
    const was = focused && {
      id: focused.dataset.detection,
      at: [...element.children].indexOf(focused),
      part: partOf(document.activeElement),
    };
    fill(
      element,
      matches.map((one, index) => tile(one, index + 1, liked.has(one.detection_id), onJudge)),
    );
    if (!was) return;
    const same = element.querySelector(`[data-detection="${was.id}"]`);
    const next = same ?? element.children[Math.min(was.at, element.children.length - 1)];
    next?.querySelector(same ? was.part : ".crop")?.focus({ preventScroll: true });
  }

  return { element, update };
}

function partOf(element) {
  return ["yes", "no"].map((one) => `.${one}`).find((one) => element.matches(one)) ?? ".crop";
}

function tile(match, rank, liked, onJudge) {
  const words = meaning(match.probability);
  const id = match.detection_id;
  const name = match.person_id === null ? null : called(match.person_id, match.person_name);
  const text = [`Match ${rank}`, `similarity ${similarity(match.similarity)}`, words?.text, name, whereAndWhen(match)];
  return h(
    "li",
    { class: `match ${words?.level ?? ""} ${liked ? "liked" : ""}`, "data-detection": id },
    h(
      "button",
      {
        type: "button",
        class: "crop",
        "aria-label": `${text.filter(Boolean).join(", ")}. Show the scene`,
        onclick: () => change({ open: id }),
      },
      match.picture ? picture(`${match.crop}?height=384`, "") : noPicture("The picture is not at hand"),
      h("span", { class: "rank", "aria-hidden": "true" }, rank),
    ),
    h(
      "div",
      { class: "match-line" },
      h("span", { class: "similarity", title: "Similarity, from \u22121 to 1" }, similarity(match.similarity)),
      h("span", { class: "judge" }, judge(match, liked, onJudge)),
    ),
    words ? h("p", { class: "meaning" }, words.text) : null,
    h("p", { class: "where" }, whereAndWhen(match)),
    name ? h("a", { class: "who", href: `#/people/${match.person_id}` }, name) : null,
  );
}

/** The two buttons, confirm and reject. */
export function judge(match, liked, onJudge) {
  const id = match.detection_id;
  return [
    button(liked ? "Confirmed. Take it back" : "This is the person (y)", () => onJudge(id, "like"), {
      icon: "check",
      look: "icon round yes",
      attributes: { "aria-pressed": String(liked) },
    }),
    button("This is someone else (n)", () => onJudge(id, "unlike"), { icon: "cross", look: "icon round no" }),
  ];
}
