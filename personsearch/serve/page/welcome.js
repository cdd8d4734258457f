// The first screen: bring a picture, or try the example.

import { button, h } from "./dom.js";
import { count, plural } from "./words.js";

/** @param {{onChoose: () => void, onCamera: () => void, onExample: () => void}} acts */
export function welcome(gallery, { onChoose, onCamera, onExample }) {
  if (!gallery.images)
    return h(
      "section",
      { class: "welcome" },
      h("h1", {}, "This gallery is empty"),
      h(
        "p",
        {},
        gallery.writable
          ? "Bring a picture and add it, or index a folder or a video on the command line:"
          : "Index a folder or a video on the command line; what it adds shows up here:",
      ),
      h("p", {}, h("code", {}, "personsearch index PICTURES GALLERY")),
      gallery.writable
        ? h(
            "div",
            { class: "actions" },
            button("Choose a picture", onChoose, { icon: "upload", look: "primary large" }),
          )
        : null,
    );
  const buttons = [
    gallery.example ? button("Try the example", onExample, { icon: "search", look: "primary large" }) : null,
    button("Choose a picture", onChoose, { icon: "upload", look: gallery.example ? "large" : "primary large" }),
    button("Use the camera", onCamera, { icon: "camera", look: "large only-touch" }),
  ];
  return h(
    "section",
    { class: "welcome" },
    h("h1", {}, "Whom are you looking for?"),
    h(
      "p",
      {},
      `Bring a picture of somebody. Their other appearances are searched among ${count(gallery.people)} people ` +
        `detected in ${plural(gallery.images, "scene")}.`,
    ),
    h("div", { class: "actions" }, buttons),
    h("p", { class: "faint not-touch" }, "Or drop a picture anywhere on this page, or paste one."),
    h("p", { class: "faint" }, "The picture goes to this service only, and is not stored."),
  );
}
