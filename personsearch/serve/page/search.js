// The search: bring a picture, click a person, see the matches.

import { latest, call, Superseded } from "./api.js";
import { addForm } from "./add.js";
import { busy, button, fill, h, problem, say, toast } from "./dom.js";
import { filters } from "./filters.js";
import { matchGrid } from "./matches.js";
import { queryPanel } from "./panel.js";
import { addByHand, open as openPicture, pictureOf } from "./pictures.js";
import { changes, itemsOf, judged, MOST, PAGE, picked, requestOf } from "./query.js";
import { change, current, go, numbers } from "./route.js";
import { sceneList } from "./scenes.js";
import { stage } from "./stage.js";
import { welcome } from "./welcome.js";
import { count, meaning, NO_CALIBRATION, NO_PROBABILITY, plural, similarity } from "./words.js";

/** @param {{gallery: object, refresh: () => Promise<void>}} context */
export function searchView(context) {
  const { gallery } = context;
  const detecting = latest();
  const searching = latest();
  let matches = [];
  let asked = "";
  let staged = null;

  const start = h("div", { class: "start" });
  const stageBox = h("div", { class: "stage-inner" });
  const stageFold = h("details", { class: "stage-box", open: true }, h("summary", {}, "Your picture"), stageBox);
  const narrow = matchMedia("(max-width: 899px)");
  const panel = queryPanel({
    onAdd: () => choose(true),
    onShowPicture: (id) => (change({ picture: id }), (stageFold.open = true)),
  });
  const filterBox = filters(gallery);
  const head = h("div", { class: "results-head" });
  const grid = matchGrid({ onJudge: judge });
  const foot = h("div", { class: "more" });
  const results = h("section", { class: "results", "aria-label": "Matches" }, head, grid.element, foot);
  const side = h("div", { class: "side" }, stageFold, panel.element, filterBox.element);
  const element = h("div", { class: "search" }, start, side, results);
  const chooser = h("input", {
    type: "file",
    accept: "image/*",
    multiple: true,
    hidden: true,
    "aria-hidden": "true",
    tabindex: "-1",
  });
  const camera = h("input", {
    type: "file",
    accept: "image/*",
    capture: "environment",
    hidden: true,
    "aria-hidden": "true",
    tabindex: "-1",
  });
  let adding = false;
  for (const input of [chooser, camera])
    input.addEventListener("change", () => (take([...input.files], adding), (input.value = "")));
  element.append(chooser, camera);

  const hello = welcome(gallery, {
    onChoose: () => choose(false),
    onCamera: () => ((adding = false), camera.click()),
    onExample: () => tryExample(),
  });
  let recent = null;

  function choose(add) {
    adding = add;
    chooser.click();
  }

  async function tryExample() {
    try {
      const response = await fetch(gallery.example.url);
      if (!response.ok) throw new Error("The example picture could not be fetched.");
      await take([new File([await response.blob()], "example.jpg", { type: "image/jpeg" })], false);
    } catch (error) {
      toast(error.message, { kind: "error" });
    }
  }

  /** Have pictures looked at, and show the first; `add` = they show whom the search is for already. */
  async function take(files, add) {
    if (!files.length) return toast("That was no picture. JPEG, PNG and WebP are pictures.", { kind: "error" });
    const before = add ? current().params : null;
    let preview = null;
    try {
      await detecting(async (signal) => {
        const opened = [];
        for (const file of files) {
          if (preview) URL.revokeObjectURL(preview);
          preview = URL.createObjectURL(file);
          working(
            preview,
            files.length > 1
              ? `Looking for people in ${file.name} (${opened.length + 1} of ${files.length})`
              : `Looking for people in ${file.name}`,
          );
          opened.push(await openPicture(file, { limit: gallery.max_upload_bytes, signal }));
        }
        const earlier = before ? pictureIds(before) : [];
        const values = before ? { for: before.get("for"), like: before.get("like"), unlike: before.get("unlike") } : {};
        element.classList.remove("working");
        go("search", {
          ...kept(before),
          ...values,
          picture: opened[0].id,
          pictures: [...earlier, ...opened.map((one) => one.id)],
        });
        const [only] = opened;
        if (opened.length === 1 && only.people.length === 1) pick(only, 0, false, { replace: true });
      });
    } catch (error) {
      if (error instanceof Superseded) return undefined;
      element.classList.remove("working");
      staged = null;
      update(current());
      toast(error.message, { kind: "error" });
    } finally {
      if (preview) URL.revokeObjectURL(preview);
    }
    return undefined;
  }

  /** Filters stay when another picture is added; a new search starts without. */
  function kept(params) {
    if (!params) return {};
    return Object.fromEntries(
      ["camera", "since", "until", "min", "each", "combine"].map((name) => [
        name,
        name === "camera" ? params.getAll(name) : params.get(name),
      ]),
    );
  }

  function working(preview, text) {
    element.className = "search picking working";
    staged = null;
    fill(start);
    fill(stageBox, h("div", { class: "detecting" }, h("img", { src: preview, alt: "" }), busy(text)));
  }

  function pictureIds(params) {
    const ids = (params.get("pictures") ?? "").split(",");
    return [...new Set([...ids, params.get("picture"), ...itemsOf(params).map((one) => one.picture)])].filter(
      (id) => id && pictureOf(id),
    );
  }

  function pick(picture, number, also, options) {
    const next = picked(current().params, picture, number, also);
    if (next) change(next, options);
  }

  function judge(id, verdict, more = {}) {
    const next = judged(current().params, id, verdict);
    change({ ...next, ...more });
    if (verdict === "unlike")
      toast("Rejected. It and the other views of its track do not come back.", {
        action: {
          text: "Undo",
          act: () => change({ unlike: numbers(current().params.get("unlike")).filter((one) => one !== id) }),
        },
      });
    else say(next.like.includes(id) ? "Confirmed; the search moves towards it" : "No longer confirmed");
  }

  function drawStage(params) {
    const picture = pictureOf(params.get("picture"));
    const ids = pictureIds(params);
    const key = picture ? JSON.stringify([picture.id, picture.people.length, params.get("for"), ids]) : "";
    if (staged?.key === key) return;
    const hadFocus = stageBox.contains(document.activeElement);
    staged = { key };
    stageFold.open = !(narrow.matches && params.has("for"));
    if (!picture) return void fill(stageBox);
    const chosen = new Set(
      itemsOf(params)
        .filter((one) => one.picture === picture.id)
        .map((one) => one.number),
    );
    const also = h("input", { type: "checkbox", checked: chosen.size > 1 });
    const view = stage(picture, {
      chosen,
      onChoose: (number) => pick(picture, number, also.checked),
      onDraw: async (box) => {
        draw.setAttribute("aria-pressed", "false");
        if (!box) return;
        try {
          pick(picture, await addByHand(picture, box), also.checked);
        } catch (error) {
          toast(error.message, { kind: "error" });
        }
      },
    });
    const draw = button(
      chosen.size ? "Draw a box" : "Someone missed? Draw a box",
      () => {
        const on = draw.getAttribute("aria-pressed") !== "true";
        draw.setAttribute("aria-pressed", String(on));
        view.drawing(on);
      },
      { icon: "draw", look: "quiet", attributes: { "aria-pressed": "false" } },
    );
    const whole = button(
      "The whole picture is the person",
      async () => {
        try {
          pick(picture, await addByHand(picture, [0, 0, picture.width, picture.height]), false);
        } catch (error) {
          toast(error.message, { kind: "error" });
        }
      },
      { look: "quiet" },
    );
    const found = picture.people.length;
    const advice = !found
      ? "Nobody was found in this picture. Draw a box around the person."
      : chosen.size
        ? null
        : `${plural(found, "person was", "people were")} found. Click whom you are looking for.`;
    fill(
      stageBox,
      advice ? h("h1", { class: "advice" }, advice) : null,
      ids.length > 1
        ? h(
            "div",
            { class: "picture-tabs", role: "group", "aria-label": "Your pictures" },
            ids.map((id) =>
              button(pictureOf(id).name, () => change({ picture: id }), {
                look: "chip name",
                attributes: { "aria-pressed": String(id === picture.id) },
              }),
            ),
          )
        : null,
      view.element,
      h(
        "div",
        { class: "actions stage-actions" },
        draw,
        found ? null : whole,
        chosen.size && found > 1
          ? h(
              "label",
              { class: "chip check also", title: "Clicks add boxes of the same person instead of starting again" },
              also,
              h("span", {}, "Several boxes"),
            )
          : null,
      ),
      gallery.writable && !chosen.size ? addForm(picture, context) : null,
    );
    if (advice) say(advice);
    if (hadFocus && chosen.size) stageBox.querySelector('.box[aria-pressed="true"]')?.focus({ preventScroll: true });
    else if (!chosen.size) view.focus();
  }

  async function search(params) {
    let request;
    try {
      request = await requestOf(params);
    } catch (error) {
      return void fill(
        head,
        problem(error.message, () => search(current().params)),
      );
    }
    const { body, lost } = request;
    const key = JSON.stringify([body, changes()]);
    if (key === asked) return void grid.update(matches, new Set(numbers(params.get("like"))));
    asked = key;
    if (!body) {
      matches = [];
      grid.update([], new Set());
      fill(foot);
      fill(
        head,
        lost
          ? problem(
              "The picture of this search was only in this page's memory and went with the reload. Bring it again: filters are kept.",
            )
          : null,
      );
      return undefined;
    }
    results.setAttribute("aria-busy", "true");
    if (!matches.length) fill(head, busy("Searching"));
    try {
      const answer = await searching((signal) => call("/api/search", { json: body, signal }));
      matches = answer.matches;
      showMatches(params, body);
    } catch (error) {
      if (error instanceof Superseded) return undefined;
      asked = "";
      matches = [];
      grid.update([], new Set());
      fill(foot);
      fill(
        head,
        problem(error.message, () => search(current().params)),
      );
    }
    results.removeAttribute("aria-busy");
    return undefined;
  }

  function showMatches(params, body) {
    const liked = new Set(numbers(params.get("like")));
    grid.update(matches, liked);
    const limited = params.has("min") || params.has("camera") || params.has("since") || params.has("until");
    const silent = !gallery.calibration
      ? NO_CALIBRATION
      : matches.length && matches.every((one) => one.probability === null)
        ? NO_PROBABILITY
        : null;
    fill(
      head,
      h("h1", {}, matches.length ? plural(matches.length, "match", "matches") : "No match"),
      h(
        "p",
        { class: "faint" },
        !matches.length
          ? limited
            ? "Nobody here passes these filters. Lower the threshold, or choose more cameras or times."
            : "There is nobody else in this gallery."
          : "The most alike first. Look at the pictures: a number alone proves nothing.",
      ),
      silent ? h("p", { class: "note" }, silent) : null,
    );
    const more = matches.length >= body.k && body.k < MOST && params.get("each") !== "camera";
    fill(
      foot,
      more ? button("More matches", () => change({ k: Math.min(MOST, body.k + PAGE) }, { replace: true })) : null,
      body.k >= MOST && matches.length >= MOST
        ? h("p", { class: "faint" }, `These are the first ${count(MOST)}. Filters narrow them down.`)
        : null,
    );
    const best = matches[0];
    say(
      best
        ? `${plural(matches.length, "match", "matches")}. The first has similarity ${similarity(best.similarity)}${best.probability === null ? "" : `, ${meaning(best.probability).text}`}.`
        : "No match",
    );
  }

  /** @param {import("./route.js").Route} route */
  function update({ params }) {
    detecting.cancel(); // whoever goes elsewhere meanwhile does not want to be fetched back
    const searched = itemsOf(params).length > 0 || params.has("like");
    const staging = Boolean(pictureOf(params.get("picture")));
    element.className = `search ${searched ? "searched" : staging ? "picking" : "starting"}`;
    if (!searched && !staging) {
      recent ??= gallery.images
        ? sceneList({ filters: {}, empty: "Nobody was found in the newest scenes.", limit: 36, varied: true })
        : null;
      if (!start.firstChild)
        fill(
          start,
          hello,
          recent
            ? h(
                "section",
                { class: "recent", "aria-label": "Scenes of this gallery" },
                h("h2", {}, "Or start from a scene of this gallery"),
                h("p", { class: "faint" }, "Click a person to search for them."),
                recent.element,
              )
            : null,
        );
      if (params.has("picture"))
        toast("That picture was only in this page's memory and went with the reload. Bring it again.", {
          kind: "error",
        });
    } else fill(start);
    drawStage(params);
    panel.update(params);
    filterBox.update(params);
    if (searched) search(params);
    else {
      asked = "";
      matches = [];
      fill(head);
      grid.update([], new Set());
      fill(foot);
    }
  }

  return {
    element,
    title: "Search",
    update,
    leave: detecting.cancel,
    take,
    searching: () => itemsOf(current().params).length > 0,
    sightings: () => (matches.length ? matches : (recent?.scenes ?? []).flatMap((one) => one.people)),
    onJudge: judge,
  };
}
