// One sighting in its whole scene, over the page: box, what the number means, previous and next, search from here.

import { call, query } from "./api.js";
import { button, fill, h, noPicture, place, problem, say } from "./dom.js";
import { judge } from "./matches.js";
import { change, current, go } from "./route.js";
import { storedBox } from "./scenes.js";
import { called, count, explained, meaning, similarity, span, whereAndWhen } from "./words.js";

/**
 * @param {() => {gallery: object, sightings: object[], liked: Set<number>, onJudge: Function|null}} context what the view
 *   behind the dialog shows
 * @returns {{update: (id: number|null) => Promise<void>}} show that detection, or close
 */
export function sightingDialog(context) {
  const body = h("div", { class: "sighting" });
  const dialog = h("dialog", { class: "scene-dialog", "aria-labelledby": "sighting-title", onkeydown: keys }, body);
  let opener = null;
  let shown = null;

  dialog.addEventListener("cancel", (event) => (event.preventDefault(), leave()));
  dialog.addEventListener("click", (event) => event.target === dialog && leave());
  document.body.append(dialog);

  /** Back where the dialog was opened, so that it leaves no second step for "back". */
  function leave() {
    if (history.state?.dialog) history.back();
    else change({ open: null }, { replace: true });
  }

  function keys(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest(".boxes")) return;
    const key = event.key.toLowerCase();
    if (key === "arrowright") step(1);
    else if (key === "arrowleft") step(-1);
    else if ((key === "y" || key === "n") && context().onJudge && shown) judged(shown, key === "y" ? "like" : "unlike");
    else return;
    event.preventDefault();
  }

  function step(by) {
    const { sightings } = context();
    const at = sightings.findIndex((one) => one.detection_id === shown?.detection_id);
    const next = sightings[at + by];
    if (at >= 0 && next) change({ open: next.detection_id }, { replace: true });
  }

  function judged(one, verdict) {
    const { sightings, onJudge } = context();
    const at = sightings.findIndex((other) => other.detection_id === one.detection_id);
    const next = sightings[at + 1] ?? sightings[at - 1];
    if (verdict === "unlike") return onJudge(one.detection_id, verdict, { open: next?.detection_id ?? null });
    return onJudge(one.detection_id, verdict, { open: one.detection_id });
  }

  async function update(id) {
    if (id === null) {
      if (dialog.open) {
        // To whoever was looked at last, if the view shows them; else to where the dialog was opened.
        const last = document.querySelector(`.match[data-detection="${shown?.detection_id}"] .crop`) ?? opener;
        dialog.close();
        if (last?.isConnected) last.focus();
      }
      shown = null;
      opener = null;
      return;
    }
    if (!dialog.open) {
      opener = document.activeElement;
      if (history.state?.within) history.replaceState({ ...history.state, dialog: true }, "");
      dialog.showModal();
    }
    const known = context().sightings.find((one) => one.detection_id === id);
    try {
      shown = known ?? (await call(`/api/detections/${id}`));
    } catch (error) {
      return fill(body, heading("Scene", null), problem(error.message));
    }
    if (String(id) === current().params.get("open")) draw(shown);
  }

  function heading(title, position) {
    return h(
      "header",
      {},
      h("h2", { id: "sighting-title" }, title),
      position ? h("span", { class: "faint" }, position) : null,
      button("Close", leave, { icon: "cross", look: "icon close" }),
    );
  }

  function draw(one) {
    const { gallery, sightings, liked, onJudge } = context();
    const held = body.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    const at = sightings.findIndex((other) => other.detection_id === one.detection_id);
    const position = at >= 0 && sightings.length > 1 ? `${count(at + 1)} of ${count(sightings.length)}` : null;
    const named = (part, disabled) => ({ "data-part": part, disabled });
    const isLiked = liked.has(one.detection_id);
    fill(
      body,
      heading(whereAndWhen(one), position),
      h("div", { class: "scene-frame" }, sceneFrame(one, isLiked)),
      h(
        "div",
        { class: "sighting-foot" },
        h("div", { class: "facts" }, facts(one, gallery)),
        h(
          "div",
          { class: "actions" },
          button("Previous (left arrow)", () => step(-1), {
            icon: "back",
            look: "icon",
            attributes: named("previous", at <= 0),
          }),
          button("Next (right arrow)", () => step(1), {
            icon: "next",
            look: "icon",
            attributes: named("next", at < 0 || at >= sightings.length - 1),
          }),
          onJudge && one.similarity !== undefined ? judge(one, isLiked, (_, verdict) => judged(one, verdict)) : null,
          button("Search for this person", () => go("search", { for: `d${one.detection_id}` }), {
            icon: "search",
            look: "primary",
            attributes: named("search", false),
          }),
        ),
      ),
    );
    const again = held && body.querySelector(`[data-part="${held}"]:not(:disabled)`);
    (again || body.querySelector('[data-part="search"]')).focus();
    say(`${whereAndWhen(one)}${position ? `, ${position}` : ""}`);
  }

  return { update };
}

function facts(one, gallery) {
  const words = meaning(one.probability);
  const lines = [];
  if (one.similarity !== undefined) {
    lines.push(
      h(
        "p",
        { class: "verdict" },
        h("b", {}, `Similarity ${similarity(one.similarity)}`),
        words ? `: ${words.text}` : "",
      ),
      explained(one, gallery.calibration).map((line) => h("p", { class: "faint" }, line)),
    );
  }
  const { track } = one;
  if (track)
    lines.push(
      h(
        "p",
        { class: "faint" },
        `Followed through ${count(track.frames)} frames, ${span(track.first_text, track.last_text)}.`,
      ),
    );
  if (one.person_id !== null)
    lines.push(h("p", {}, h("a", { href: `#/people/${one.person_id}` }, called(one.person_id, one.person_name))));
  lines.push(h("p", { class: "faint name" }, `Scene ${one.image_id}`));
  return lines;
}

/** The scene with a box; everybody else in it is boxed too, and can be searched for. */
function sceneFrame(one, isLiked) {
  if (!one.picture) return noPicture("The picture is not at hand: it is gone, or was changed since it was indexed.");
  const frame = h("div", { class: "frame" });
  const image = h("img", { alt: `The whole scene ${one.image_id}`, draggable: "false" });
  frame.append(image);
  const failed = () => fill(frame, noPicture("The picture is gone, or was changed since it was indexed."));
  image.addEventListener("error", failed);
  const boxed = (height, width) => {
    frame.style.setProperty("--ratio", String(width / height));
    const mark = place(h("div", { class: `mark ${isLiked ? "liked" : ""}` }), one.box, width, height);
    const boxes = h("div", { class: "boxes" }, mark);
    frame.append(boxes);
    // Without the others it is still the scene that was asked for, so a failure is passed over.
    call(`/api/detections/${one.detection_id}/scene`)
      .then(({ people }) => {
        const others = people.filter((other) => other.detection_id !== one.detection_id);
        boxes.prepend(...others.map((other, index) => storedBox(other, index, others.length, width, height)));
      })
      .catch(() => {});
  };
  const source = `${one.scene}${query({ width: 1600 })}`;
  if (one.image_size) {
    boxed(...one.image_size);
    image.src = source;
  } else {
    // Galleries of old did not keep the size of a scene: the answer's headers say it.
    fetch(source)
      .then(async (response) => {
        if (!response.ok) return failed();
        const size = ["X-Scene-Height", "X-Scene-Width"].map((name) => Number(response.headers.get(name)));
        image.src = URL.createObjectURL(await response.blob());
        image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
        if (size.every(Boolean)) boxed(...size);
        return undefined;
      })
      .catch(failed);
  }
  return frame;
}
