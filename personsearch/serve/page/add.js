// Adding the picture at hand to the gallery, as a scene.

import { call, form } from "./api.js";
import { fill, h, toast } from "./dom.js";
import { fromField } from "./times.js";
import { plural } from "./words.js";

/** @param {import("./pictures.js").Picture} picture */
export function addForm(picture, { gallery, refresh }) {
  const name = h("input", { type: "text", required: true, value: picture.name, autocomplete: "off", maxlength: "400" });
  const camera = h("input", { type: "text", list: "cameras-known", autocomplete: "off", maxlength: "200" });
  const known = h(
    "datalist",
    { id: "cameras-known" },
    gallery.cameras.map((one) => h("option", { value: one.camera })),
  );
  const isDate = gallery.is_date || !gallery.images;
  const time = h("input", {
    type: isDate ? "datetime-local" : "text",
    step: isDate ? "1" : null,
    placeholder: isDate ? null : "0:00",
  });
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const send = h("button", { class: "button", type: "submit" }, "Add to the gallery");
  const fields = h(
    "form",
    { class: "add-form", onsubmit: submit },
    h("label", {}, "Name of the scene", name),
    h("label", {}, "Camera, if known", camera, known),
    h("label", {}, isDate ? "Time, if known (UTC)" : "Time since the video began, if known", time),
    wrong,
    h("div", { class: "actions" }, send),
  );
  const element = h("details", { class: "add" }, h("summary", {}, "Add this picture to the gallery"), fields);

  async function submit(event) {
    event.preventDefault();
    wrong.hidden = true;
    const seconds = fromField(time.value, isDate);
    if (seconds === undefined) return fault("Write the time as minutes:seconds, such as 1:30.");
    send.disabled = true;
    try {
      const made = await call("/api/scenes", {
        form: form({ picture: picture.file, image_id: name.value, camera: camera.value, time: seconds }),
      });
      const kept = made.picture
        ? "The picture is kept."
        : "The picture itself is not kept, so it cannot be shown later.";
      const people = plural(made.people.length, "person", "people");
      toast(made.stored ? `Added with ${people}. ${kept}` : `This scene was in the gallery already, with ${people}.`);
      fill(element, h("summary", {}, "In the gallery now"));
      await refresh();
    } catch (error) {
      fault(error.message);
    }
    send.disabled = false;
    return undefined;
  }

  function fault(text) {
    wrong.textContent = text;
    wrong.hidden = false;
  }

  return element;
}
