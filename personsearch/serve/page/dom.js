// Elements, icons, short messages. Everything that comes from a gallery enters the page as text, never as markup.

import { soon, swept } from "./images.js";

const SVG = "http://www.w3.org/2000/svg";

/** Strokes on a 24 x 24 grid. */
const ICONS = {
  add: "M12 5v14M5 12h14",
  back: "M15 5l-7 7 7 7",
  camera: "M4 8h3l2-3h6l2 3h3v11H4zM12 10a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  check: "M5 12.5l4.5 4.5L19 7.5",
  cross: "M6 6l12 12M18 6L6 18",
  draw: "M4 4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M4 8V4M10 4h4M20 10v4M14 20h-4M4 14v-4",
  expand: "M14 4h6v6M20 4l-7 7M10 20H4v-6M4 20l7-7",
  next: "M9 5l7 7-7 7",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4.5 4.5",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  undo: "M9 6L4 11l5 5M4 11h10a5.5 5.5 0 0 1 0 11h-2",
  upload: "M12 16V4M7 9l5-5 5 5M4 16v4h16v-4",
};

/**
 * Make an element.
 * @param {string} tag
 * @param {Record<string, any>} [attributes] `class`, `on...` (listeners), `style` (an object), properties such as
 *   `value`, booleans, or attributes; null and undefined are left out
 * @param {...(Node|string|number|null|undefined|false|Array)} children text stays text
 * @returns {HTMLElement}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, one] of Object.entries(value)) element.style.setProperty(key, one);
    else if (["value", "checked", "disabled", "selected", "indeterminate", "hidden"].includes(name))
      element[name] = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false) element.setAttribute(name, String(value));
  }
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** An icon that says nothing to a screen reader: its button has a label. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" }))
    svg.setAttribute(key, value);
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A button.
 * @param {string} text what it says; with `look: "icon"` only to a screen reader and as a hint
 * @param {(event: Event) => void} act
 * @param {{icon?: string, look?: string, attributes?: object}} [options]
 */
export function button(text, act, { icon: name, look = "", attributes = {} } = {}) {
  const bare = look.split(" ").includes("icon");
  const label = bare ? { "aria-label": text, title: text } : {};
  const content = [name ? icon(name) : null, bare ? null : text];
  return h(
    "button",
    { type: "button", class: `button ${look}`.trim(), onclick: act, ...label, ...attributes },
    content,
  );
}

/** A picture of the gallery; where it cannot be had, its place says so. */
export function picture(source, alt) {
  const image = h("img", { alt, decoding: "async", draggable: "false" });
  image.addEventListener("load", () =>
    image.classList.toggle("covers", usual(image.naturalWidth / image.naturalHeight)),
  );
  image.addEventListener(
    "error",
    () => image.isConnected && image.replaceWith(noPicture("The picture is gone or was changed")),
  );
  soon(image, source);
  return image;
}

/** Whether a crop may fill its tile: its margins are all that is lost then. */
const usual = (ratio) => ratio > 0.42 && ratio < 0.63;

/** What stands where a picture would. */
export function noPicture(text) {
  return h("span", { class: "no-picture" }, text);
}

/** Replace all children, and return the element. */
export function fill(element, ...children) {
  element.replaceChildren(
    ...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false),
  );
  queueMicrotask(swept);
  return element;
}

/** Say something to a screen reader. */
export function say(text) {
  document.getElementById("says").textContent = text;
}

/**
 * A message at the foot of the page; errors stay until they are closed.
 * @param {string} text
 * @param {{kind?: "info"|"error", action?: {text: string, act: () => void}}} [options]
 */
export function toast(text, { kind = "info", action } = {}) {
  const list = document.getElementById("toasts");
  const close = () => one.remove();
  const one = h(
    "div",
    { class: `toast ${kind}`, role: kind === "error" ? "alert" : "status" },
    h("p", {}, text),
    action ? button(action.text, () => (close(), action.act()), { look: "small" }) : null,
    button("Close this message", close, { icon: "cross", look: "icon small" }),
  );
  while (list.children.length > 2) list.firstChild.remove();
  list.append(one);
  if (kind !== "error") setTimeout(close, action ? 12000 : 6000);
}

/** A sentence where the mistake is seen. */
export function problem(text, again) {
  return h("div", { class: "problem", role: "alert" }, h("p", {}, text), again ? button("Try again", again) : null);
}

/** Something is under way. */
export function busy(text) {
  return h("p", { class: "busy", role: "status" }, h("span", { class: "spinner", "aria-hidden": "true" }), text);
}

/**
 * Ask before something that cannot be taken back.
 * @param {{title: string, text: string, yes: string}} question
 * @returns {Promise<boolean>}
 */
export function confirmed({ title, text, yes }) {
  return new Promise((resolve) => {
    const answer = (value) => () => dialog.close(value);
    const dialog = h(
      "dialog",
      { class: "question", "aria-labelledby": "question-title" },
      h("h2", { id: "question-title" }, title),
      h("p", {}, text),
      h(
        "div",
        { class: "actions" },
        button("Cancel", answer(""), { attributes: { autofocus: true } }),
        button(yes, answer("yes"), { look: "danger" }),
      ),
    );
    dialog.addEventListener("close", () => (dialog.remove(), resolve(dialog.returnValue === "yes")));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Place an element over a picture: box is [x1, y1, x2, y2] in pixels of a picture of that width and height. */
export function place(element, box, width, height) {
  const [x1, y1, x2, y2] = box;
  const share = { left: x1 / width, top: y1 / height, width: (x2 - x1) / width, height: (y2 - y1) / height };
  for (const [name, value] of Object.entries(share)) element.style.setProperty(name, `${100 * value}%`);
  return element;
}
