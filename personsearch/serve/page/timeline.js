// When somebody was before a camera: bars over time, and the scenes of a bar.

import { call, latest, query, Superseded } from "./api.js";
import { busy, button, fill, h, problem } from "./dom.js";
import { timeFields } from "./filters.js";
import { change, current } from "./route.js";
import { sceneList } from "./scenes.js";
import { plural } from "./words.js";

/** @param {{gallery: object}} context */
export function timelineView({ gallery }) {
  const fetching = latest();
  let asked = "";
  let scenes = null;
  let chosen = null;
  let answer = null;

  const camera = h(
    "select",
    { id: "timeline-camera", onchange: () => change({ camera: camera.value || null, start: null, end: null }) },
    h("option", { value: "" }, "All cameras"),
    gallery.cameras.map((one) => h("option", { value: one.camera }, one.camera)),
  );
  const fields = timeFields(gallery, (since, until) => change({ since, until, start: null, end: null }));
  const chart = h("div", { class: "chart" });
  const below = h("section", { class: "bin-scenes", "aria-label": "Scenes of the chosen time" });
  const element = h(
    "div",
    { class: "timeline" },
    h(
      "div",
      { class: "view-head" },
      h("h1", {}, "Timeline"),
      h("p", { class: "faint" }, "How many people were detected when. Choose a bar to see its scenes."),
    ),
    h(
      "div",
      { class: "tools" },
      h("span", { class: "pair" }, h("label", { for: "timeline-camera" }, "Camera"), camera),
      fields.element,
    ),
    chart,
    below,
  );

  const narrow = matchMedia("(max-width: 600px)");

  function update({ params }) {
    camera.value = params.get("camera") ?? "";
    fields.update(params);
    const values = {
      camera: params.get("camera"),
      since: params.get("since"),
      until: params.get("until"),
      bins: narrow.matches ? 32 : 96,
    };
    const key = JSON.stringify(values);
    if (key !== asked) load(values, key);
    else mark();
    showScenes(params);
  }

  async function load(values, key) {
    asked = key;
    answer = null;
    fill(chart, busy("Counting"));
    try {
      answer = await fetching((signal) => call(`/api/timeline${query(values)}`, { signal }));
      draw();
    } catch (error) {
      if (error instanceof Superseded) return;
      asked = "";
      fill(
        chart,
        problem(error.message, () => update(current())),
      );
    }
  }

  function draw() {
    const { bins } = answer;
    if (!bins.length || bins.every((one) => !one.scenes)) {
      return fill(
        chart,
        h(
          "p",
          { class: "empty" },
          gallery.images
            ? "No scene of a known time is here. Times come with --tracks, file dates or a table of times when indexing."
            : "This gallery is empty.",
        ),
      );
    }
    const most = Math.max(1, ...bins.map((one) => one.people));
    const bars = bins.map((bin, index) => {
      const label = `${bin.start_text}: ${plural(bin.scenes, "scene")}, ${plural(bin.people, "person", "people")} detected`;
      const bar = h(
        "button",
        {
          type: "button",
          class: `bar-button ${bin.scenes ? "" : "none"}`,
          "aria-label": label,
          title: label,
          tabindex: "-1",
          onclick: () => choose(bin, index === bins.length - 1),
          style: { "--share": String(bin.people ? Math.max(0.03, bin.people / most) : 0) },
          "data-bin": index,
        },
        h("span", {}),
      );
      return bar;
    });
    const axis = [0, Math.floor(bins.length / 2), bins.length - 1].map((at) => h("span", {}, bins[at].start_text));
    return fill(
      chart,
      h("p", { class: "faint scale" }, `${plural(most, "person", "people")} at most in one bar`),
      h(
        "div",
        {
          class: "bars",
          role: "toolbar",
          "aria-label": "People detected over time; arrow keys go from bar to bar",
          onkeydown: walk,
        },
        bars,
      ),
      h("div", { class: "axis faint", "aria-hidden": "true" }, axis),
      mark(),
    );
  }

  /** A bar ends before the next one begins; only the last one has its end. */
  function choose(bin, last) {
    change({ start: bin.start, end: last ? bin.end : bin.end - 1e-6 * (bin.end - bin.start) });
  }

  function walk(event) {
    const bars = [...event.currentTarget.children];
    const at = bars.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: bars.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    const next = bars[Math.max(0, Math.min(bars.length - 1, to))];
    for (const one of bars) one.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }

  /** Show which bar is chosen; one bar can be tabbed to. */
  function mark() {
    if (!answer) return null;
    const { params } = current();
    const bars = [...chart.querySelectorAll(".bar-button")];
    const at = answer.bins.findIndex((one) => String(one.start) === params.get("start"));
    bars.forEach((one, index) => {
      one.setAttribute("aria-pressed", String(index === at));
      if (!bars.includes(document.activeElement)) one.tabIndex = -1;
    });
    if (!bars.includes(document.activeElement)) {
      const first = bars[at] ?? bars.find((one) => !one.classList.contains("none"));
      if (first) first.tabIndex = 0;
    }
    return null;
  }

  function showScenes(params) {
    const [since, until] = [params.get("start"), params.get("end")];
    const key = since === null ? "" : JSON.stringify([since, until, params.get("camera")]);
    if (key === chosen) return;
    chosen = key;
    scenes = null;
    if (!key) return void fill(below);
    scenes = sceneList({ filters: { camera: params.get("camera"), since, until }, empty: "No scene in this bar." });
    fill(
      below,
      h(
        "div",
        { class: "tools" },
        h("h2", {}, "Scenes of this bar"),
        button("Look closer at this time", () => change({ since, until, start: null, end: null }), {
          icon: "search",
          look: "quiet",
        }),
        params.has("since") || params.has("until")
          ? button("Whole time", () => change({ since: null, until: null, start: null, end: null }), { look: "quiet" })
          : null,
      ),
      h("p", { class: "faint" }, "Click a person to search for them."),
      scenes.element,
    );
  }

  return { element, title: "Timeline", update, sightings: () => (scenes?.scenes ?? []).flatMap((one) => one.people) };
}
