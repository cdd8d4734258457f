// Beside the matches: the threshold with what it means, cameras, times, one of each.

import { button, fill, h } from "./dom.js";
import { change } from "./route.js";
import { fromField, toField } from "./times.js";
import { count, oneIn, percent, similarity, threshold } from "./words.js";

const STEP = 0.01;

/**
 * @param {object} gallery of /api/gallery
 * @returns {{element: HTMLElement, update: (params: URLSearchParams) => void}}
 */
export function filters(gallery) {
  const parts = [alike(gallery), cameras(gallery), times(gallery), oneOfEach()].filter(Boolean);
  const wide = matchMedia("(min-width: 900px)");
  const element = h(
    "details",
    { class: "filters", open: wide.matches },
    h("summary", {}, "Filters ", h("span", { class: "count" })),
    parts.map((one) => one.element),
  );
  wide.addEventListener("change", () => (element.open = wide.matches));
  const number = element.querySelector(".count");
  return {
    element,
    update(params) {
      for (const part of parts) part.update(params);
      const used = ["min", "camera", "since", "until", "each"].filter((name) => params.has(name)).length;
      number.textContent = used ? `(${used} in use)` : "";
    },
  };
}

/** The threshold: a slider, marks where the calibration has one, and what it does in words. */
function alike({ calibration, people }) {
  const marks = [...(calibration?.thresholds ?? [])].sort((a, b) => a.similarity - b.similarity);
  const slider = h("input", {
    type: "range",
    min: "0",
    max: "1",
    step: String(STEP),
    id: "threshold",
    "aria-describedby": "threshold-words",
    oninput: () => (show(Number(slider.value)), later()),
    onchange: () => commit(),
  });
  const shown = h("output", { for: "threshold", class: "threshold-value" });
  const words = h("div", { id: "threshold-words", class: "threshold-words", "aria-live": "polite" });
  const ticks = h(
    "div",
    { class: "ticks", "aria-hidden": "true" },
    marks.map((one) => h("span", { class: "tick", style: { "--at": String(one.similarity) } })),
  );
  const presets = [null, ...marks].map((one) =>
    button(one ? oneIn(one.one_in) : "Off", () => set(one ? Math.ceil(one.similarity * 100) / 100 : 0), {
      look: "chip",
      attributes: one
        ? {
            title:
              `Similarity ${similarity(one.similarity)}: at most ${oneIn(one.one_in)} pairs of different people look this alike` +
              (one.true_match_rate === null ? "" : `; keeps about ${percent(one.true_match_rate)} of right matches`),
          }
        : { title: "No threshold: everybody is ranked" },
    }),
  );
  let timer = 0;

  function later() {
    clearTimeout(timer);
    timer = setTimeout(commit, 220);
  }
  function commit() {
    clearTimeout(timer);
    const value = Number(slider.value);
    change({ min: value > 0 ? value.toFixed(2) : null, k: null }, { replace: true });
  }
  function set(value) {
    slider.value = value;
    show(value);
    commit();
  }
  function show(value) {
    shown.textContent = value > 0 ? `at least ${similarity(value)}` : "off";
    slider.setAttribute(
      "aria-valuetext",
      value > 0 ? `similarity at least ${similarity(value)}` : "off, everybody is ranked",
    );
    fill(
      words,
      threshold(value > 0 ? value : null, calibration, people).map((line) => h("p", {}, line)),
    );
    presets.forEach((one, index) => {
      const at = index ? Math.ceil(marks[index - 1].similarity * 100) / 100 : 0;
      one.setAttribute("aria-pressed", String(Math.abs(at - value) < STEP / 2));
    });
  }

  const element = h(
    "div",
    { class: "filter" },
    h("div", { class: "filter-head" }, h("label", { for: "threshold" }, "How alike"), shown),
    h("div", { class: "slider" }, slider, ticks),
    marks.length
      ? h(
          "div",
          { class: "chips", role: "group", "aria-label": "False-match rate: pairs of strangers that pass" },
          presets,
        )
      : null,
    words,
  );
  return {
    element,
    update(params) {
      const value = Math.max(0, Math.min(1, Number(params.get("min")) || 0));
      if (document.activeElement !== slider || Math.abs(Number(slider.value) - value) > STEP / 2) slider.value = value;
      show(Number(slider.value));
    },
  };
}

function cameras({ cameras: all }) {
  if (all.length < 2) return null;
  const boxes = all.map(({ camera, images }) => {
    const input = h("input", { type: "checkbox", value: camera, onchange: commit });
    return [input, h("label", { class: "chip check", title: `${count(images)} scenes` }, input, h("span", {}, camera))];
  });
  function commit() {
    change({ camera: boxes.filter(([input]) => input.checked).map(([input]) => input.value), k: null });
  }
  const find =
    all.length > 15
      ? h("input", {
          type: "search",
          placeholder: "Find a camera",
          "aria-label": "Find a camera",
          oninput: (event) => {
            const wanted = event.target.value.toLowerCase();
            for (const [input, label] of boxes) label.hidden = !input.value.toLowerCase().includes(wanted);
          },
        })
      : null;
  return {
    element: h(
      "fieldset",
      { class: "filter" },
      h("legend", {}, "Cameras"),
      find,
      h(
        "div",
        { class: "chips tall" },
        boxes.map(([, label]) => label),
      ),
    ),
    update(params) {
      const chosen = new Set(params.getAll("camera"));
      for (const [input] of boxes) input.checked = chosen.has(input.value);
    },
  };
}

function times(gallery) {
  if (gallery.first === null || gallery.first === undefined || gallery.first === gallery.last) return null;
  const { element, update } = timeFields(gallery, (since, until) => change({ since, until, k: null }));
  return { element, update };
}

/**
 * Two fields, from and to.
 * @param {object} gallery
 * @param {(since: number|null, until: number|null) => void} onChange
 */
export function timeFields(gallery, onChange) {
  const { is_date: isDate, first_text: first, last_text: last } = gallery;
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const field = (name) =>
    h("input", {
      type: isDate ? "datetime-local" : "text",
      step: isDate ? "1" : null,
      name,
      placeholder: isDate ? null : "0:00",
      inputmode: isDate ? null : "text",
      autocomplete: "off",
      onchange: commit,
    });
  const [since, until] = [field("since"), field("until")];
  function commit() {
    const [from, to] = [fromField(since.value, isDate), fromField(until.value, isDate)];
    wrong.hidden = true;
    if (from === undefined || to === undefined) wrong.textContent = "Write a time as minutes:seconds, such as 1:30.";
    else if (from !== null && to !== null && from > to) wrong.textContent = "The first time is later than the second.";
    else return onChange(from, to);
    wrong.hidden = false;
  }
  const element = h(
    "fieldset",
    { class: "filter times" },
    h("legend", {}, isDate ? "Time (UTC)" : "Time since the video began"),
    h("label", {}, "from", since),
    h("label", {}, "to", until),
    h("p", { class: "faint" }, `Here: ${first} to ${last}`),
    wrong,
  );
  return {
    element,
    update(params) {
      if (document.activeElement !== since) since.value = toField(params.get("since"), isDate);
      if (document.activeElement !== until) until.value = toField(params.get("until"), isDate);
    },
  };
}

function oneOfEach() {
  const choices = [
    ["", "Every match"],
    ["image", "The best of each scene"],
    ["track", "The best of each appearance"],
    ["camera", "The best of each camera"],
  ];
  const select = h(
    "select",
    { id: "each", onchange: () => change({ each: select.value || null, k: null }) },
    choices.map(([value, text]) => h("option", { value }, text)),
  );
  return {
    element: h(
      "div",
      { class: "filter" },
      h("div", { class: "filter-head" }, h("label", { for: "each" }, "Show")),
      select,
    ),
    update: (params) => (select.value = params.get("each") ?? ""),
  };
}
