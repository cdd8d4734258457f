// Whom a search is for, as the address says it, and the request that follows.
//
// "for" lists items: p<picture>-<n> a person of a brought picture, d<id> a detection of the gallery, t<id> a track,
// g<id> a person of the gallery.

import { call } from "./api.js";
import { pictureOf } from "./pictures.js";
import { numbers } from "./route.js";

/** How many matches at first, and how many more each time. */
export const PAGE = 24;
export const MOST = 200;

/** @typedef {{text: string, kind: "picture"|"detection"|"track"|"person", picture?: string, number: number}} Item */

/** @returns {Item[]} */
export function itemsOf(params) {
  const kinds = { d: "detection", t: "track", g: "person" };
  const items = [];
  for (const text of (params.get("for") ?? "").split(",")) {
    const brought = text.match(/^p([a-z0-9]+)-(\d+)$/);
    const stored = text.match(/^([dtg])(\d+)$/);
    if (brought) items.push({ text, kind: "picture", picture: brought[1], number: Number(brought[2]) });
    else if (stored) items.push({ text, kind: kinds[stored[1]], number: Number(stored[2]) });
  }
  return items;
}

/** The person of a brought picture, or undefined where the picture is gone. */
export const broughtPerson = (item) => pictureOf(item.picture)?.people[item.number];

const known = new Map();

/**
 * What the gallery says about an item: a sighting, or a person with a cover.
 * @param {Item} item
 */
export async function storedOf(item) {
  if (item.kind === "track") return null;
  const path = item.kind === "person" ? `/api/people/${item.number}` : `/api/detections/${item.number}`;
  if (!known.has(path)) {
    if (known.size > 200) known.clear();
    known.set(path, await call(path));
  }
  return known.get(path);
}

let changed = 0;

/** How often the people of the gallery were changed from here: views compare it to know that they are old. */
export const changes = () => changed;

/** The people of the gallery have changed: forget what was fetched. */
export function forgetStored() {
  known.clear();
  changed += 1;
}

/**
 * The body of /api/search.
 * @param {URLSearchParams} params of the route
 * @returns {Promise<{body: object|null, lost: number}>} null = nobody to search for; how many brought pictures are gone
 */
export async function requestOf(params) {
  const items = itemsOf(params);
  const brought = items.filter((one) => one.kind === "picture");
  const here = brought.map(broughtPerson).filter(Boolean);
  const stored = items.filter((one) => one.kind !== "picture");
  const body = { like: numbers(params.get("like")), unlike: numbers(params.get("unlike")) };
  if (here.length) body.embeddings = here.map((one) => one.embedding);
  else if (stored.length) {
    const main = stored.find((one) => one.kind !== "detection") ?? stored[0];
    body[main.kind] = main.number;
    stored.splice(stored.indexOf(main), 1);
  }
  // What is left counts like a confirmed match: as much as the query itself.
  for (const one of stored)
    body.like.push(one.kind === "detection" ? one.number : (await storedOf(one)).cover.detection_id);
  const lost = brought.length - here.length;
  if (!here.length && !stored.length && !body.like.length && !items.some((one) => one.kind !== "picture"))
    return { body: null, lost };
  if (params.get("combine") === "best" && here.length > 1) body.combine = "best";
  body.k = Math.min(MOST, Number(params.get("k")) || PAGE);
  if (params.has("camera")) body.cameras = params.getAll("camera");
  for (const [name, to] of [
    ["since", "since"],
    ["until", "until"],
    ["min", "min_similarity"],
  ])
    if (params.has(name) && Number.isFinite(Number(params.get(name)))) body[to] = Number(params.get(name));
  const each = { image: "one_per_image", track: "one_per_track", camera: "per_camera" }[params.get("each")];
  if (each) body[each] = true;
  body.like = [...new Set(body.like)].filter((one) => !body.unlike.includes(one));
  return { body, lost };
}

/**
 * What a click on a box changes. Others of the same picture leave the query unless `also`; those of other pictures stay.
 * @param {URLSearchParams} params of the route
 * @returns {object|null} null = nothing
 */
export function picked(params, picture, number, also) {
  const text = `p${picture.id}-${number}`;
  const items = itemsOf(params).filter((one) => one.kind !== "picture" || pictureOf(one.picture));
  const chosen = items.some((one) => one.text === text);
  const rest = items.filter((one) => one.text !== text && (also || one.picture !== picture.id)).map((one) => one.text);
  if (chosen && !rest.length) return null;
  const alone = rest.length ? {} : { like: null, unlike: null };
  return { ...alone, for: chosen && also ? rest : [...rest, text], picture: picture.id, k: null };
}

/** What a judgement of a match changes; confirming what is confirmed takes it back. */
export function judged(params, id, verdict) {
  const [like, unlike] = [numbers(params.get("like")), numbers(params.get("unlike"))];
  const without = (list) => list.filter((one) => one !== id);
  if (verdict === "unlike") return { like: without(like), unlike: [...without(unlike), id] };
  return { like: like.includes(id) ? without(like) : [...like, id], unlike: without(unlike) };
}
