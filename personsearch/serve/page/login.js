// The token, where the service asks for one.

import { call } from "./api.js";
import { h } from "./dom.js";

/** @param {() => void} onSuccess */
export function loginView(onSuccess) {
  const token = h("input", {
    type: "password",
    id: "token",
    required: true,
    autocomplete: "current-password",
    spellcheck: "false",
  });
  const wrong = h("p", { class: "wrong", role: "alert", hidden: true });
  const send = h("button", { type: "submit", class: "button primary" }, "Open the gallery");
  const element = h(
    "form",
    { class: "login", onsubmit: submit },
    h("h1", {}, "This gallery needs its token"),
    h(
      "p",
      { class: "faint" },
      "personsearch serve printed it when it started, or it is in the file that was given with --token-file.",
    ),
    h("label", { for: "token" }, "Token"),
    token,
    wrong,
    send,
  );

  async function submit(event) {
    event.preventDefault();
    wrong.hidden = true;
    send.disabled = true;
    try {
      await call("/api/session", { json: { token: token.value.trim() } });
      token.value = "";
      onSuccess();
    } catch (error) {
      wrong.textContent = error.status === 401 ? "That is not the token." : error.message;
      wrong.hidden = false;
      token.select();
    }
    send.disabled = false;
  }

  return { element, title: "Token", update: () => {}, sightings: () => [], focus: () => token.focus() };
}
