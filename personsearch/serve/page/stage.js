// A picture with its people boxed: click or Enter chooses one, arrow keys go from one to the next, and whoever the
// detector missed is drawn by hand (drag; or two clicks; or with the keyboard).

import { button, h, place, say } from "./dom.js";
import { plural } from "./words.js";

/**
 * @param {import("./pictures.js").Picture} picture
 * @param {{chosen: Set<number>, onChoose: (person: number) => void, onDraw: (box: number[]) => Promise<void>}} options
 * @returns {{element: HTMLElement, drawing: (on: boolean) => void, focus: () => void}}
 */
export function stage(picture, { chosen, onChoose, onDraw }) {
  const { width, height, people } = picture;
  const order = people.map((_, index) => index).sort((a, b) => people[a].box[0] - people[b].box[0]);
  const boxes = order.map((index, place_) => personBox(people[index], index, place_));
  const image = picture.shown
    ? h("img", { src: picture.url, alt: `The picture ${picture.name}`, draggable: "false" })
    : h(
        "p",
        { class: "no-picture" },
        "This browser cannot show this kind of picture. Its people were found all the same.",
      );
  const layer = h(
    "div",
    {
      class: "boxes",
      role: "group",
      "aria-label": `${plural(people.length, "person", "people")} in ${picture.name}`,
      onkeydown: walk,
    },
    boxes,
  );
  const frame = h(
    "div",
    { class: "frame", style: { "--ratio": String(width / height), "--tall": `${height}px` } },
    image,
    layer,
  );
  const hint = h(
    "figcaption",
    { class: "hint", hidden: true },
    "Drag a box around the person, or click two corners. ",
    h(
      "span",
      { class: "not-touch" },
      "With keys: arrows move, Shift and arrows resize, Enter searches, Escape gives up.",
    ),
  );
  const element = h("figure", { class: "stage" }, frame, hint);
  let ended = null;

  function personBox(person, index, number) {
    const how = person.score === null ? "drawn by hand" : `detector score ${person.score.toFixed(2)}`;
    const one = button("", () => onChoose(index), {
      look: "box",
      attributes: {
        "aria-label": `Search for person ${number + 1} of ${people.length}, ${how}`,
        "aria-pressed": String(chosen.has(index)),
        title: `Search for this person (${how})`,
      },
    });
    const [x1, y1, x2, y2] = person.box;
    // A small box over a large one must win the click.
    one.style.zIndex = String(Math.max(1, 10000 - Math.round((10000 * (x2 - x1) * (y2 - y1)) / (width * height))));
    return place(one, person.box, width, height);
  }

  function walk(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const at = boxes.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    boxes[(at + step + boxes.length) % boxes.length].focus();
  }

  function drawing(on) {
    ended?.();
    ended = null;
    hint.hidden = !on;
    if (on) ended = drawer(frame, width, height, finish);
  }

  async function finish(box) {
    ended = null;
    hint.hidden = true;
    element.classList.toggle("working", Boolean(box));
    try {
      await onDraw(box);
    } finally {
      element.classList.remove("working");
    }
  }

  return { element, drawing, focus: () => boxes[0]?.focus() };
}

/** Let a box be drawn in a frame. `done` gets it in pixels of the picture, or null where the user gave up. */
function drawer(frame, width, height, done) {
  const draft = h("div", { class: "draft" });
  const pad = h(
    "div",
    {
      class: "pad",
      tabindex: "0",
      role: "application",
      "aria-label":
        "Draw a box. Arrow keys move it, Shift with arrow keys changes its size, Enter searches, Escape gives up.",
    },
    draft,
  );
  let box = [0.4 * width, 0.25 * height, 0.6 * width, 0.75 * height];
  let corner = null;
  let moved = false;

  const show = () => place(draft, box, width, height);
  const at = (event) => {
    const seen = pad.getBoundingClientRect();
    const within = (value, most) => Math.max(0, Math.min(most, value));
    return [
      within(((event.clientX - seen.left) / seen.width) * width, width),
      within(((event.clientY - seen.top) / seen.height) * height, height),
    ];
  };
  const between = ([x1, y1], [x2, y2]) => [Math.min(x1, x2), Math.min(y1, y2), Math.max(x1, x2), Math.max(y1, y2)];
  const large = () => box[2] - box[0] >= 4 && box[3] - box[1] >= 8;

  pad.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    pad.focus();
    pad.setPointerCapture(event.pointerId);
    moved = false;
    corner ??= at(event);
    box = between(corner, at(event));
    show();
  });
  pad.addEventListener("pointermove", (event) => {
    if (!corner) return;
    box = between(corner, at(event));
    if (event.buttons && large()) moved = true;
    show();
  });
  pad.addEventListener("pointerup", (event) => {
    if (!corner) return;
    box = between(corner, at(event));
    if (large())
      end(box); // a drag, or the second of two clicks
    else if (moved) corner = null;
    else say("First corner. Click the opposite one.");
  });
  pad.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
    if (event.key === "Escape") end(null);
    else if (event.key === "Enter") end(box);
    else if (step) {
      const [dx, dy] = [step[0] * 0.02 * width, step[1] * 0.02 * height];
      if (event.shiftKey)
        box = between([box[0], box[1]], [Math.min(width, box[2] + dx), Math.min(height, box[3] + dy)]);
      else {
        const x = Math.max(-box[0], Math.min(width - box[2], dx));
        const y = Math.max(-box[1], Math.min(height - box[3], dy));
        box = [box[0] + x, box[1] + y, box[2] + x, box[3] + y];
      }
      show();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });

  function end(value) {
    pad.remove();
    done(value);
  }

  show();
  frame.append(pad);
  pad.focus();
  return () => pad.remove();
}
