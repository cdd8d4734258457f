// The pictures that a user brought: kept in this page's memory, never in the address, never on the server.

import { ApiError, call, form } from "./api.js";

/**
 * @typedef {{box: number[], score: number|null, embedding: string, thumb: string|null}} Person
 * @typedef {{id: string, file: File, url: string, name: string, width: number, height: number, shown: boolean,
 *   people: Person[]}} Picture `shown` = whether the browser can display it
 */

/** @type {Map<string, Picture>} */
const held = new Map();
const KEEP = 24;

/** The picture of a name, or undefined (after a reload). */
export const pictureOf = (id) => held.get(id);

/** The files of a drop, a paste or a chooser that may be pictures. */
export function filesOf(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => !file.type || file.type.startsWith("image/"));
}

/**
 * Have the people of a picture detected, and hold it.
 * @param {File|Blob} file
 * @param {{name?: string, limit?: number, signal?: AbortSignal}} options limit in bytes
 * @returns {Promise<Picture>}
 */
export async function open(file, { name = file.name ?? "picture", limit, signal }) {
  if (limit && file.size > limit)
    throw new Error(`${name} has ${megabytes(file.size)}; at most ${megabytes(limit)} can be sent. Make it smaller.`);
  if (!file.size) throw new Error(`${name} is empty.`);
  let found;
  try {
    found = await call("/api/detect", { form: form({ picture: file }), signal });
  } catch (error) {
    if (error instanceof ApiError) error.message = error.message.replace(/^picture: /, `${name}: `);
    throw error;
  }
  const url = URL.createObjectURL(file);
  const image = await decoded(url);
  const picture = {
    id: randomName(),
    file,
    url,
    name,
    width: found.width,
    height: found.height,
    shown: Boolean(image),
    people: [],
  };
  for (const one of found.people) picture.people.push({ ...one, thumb: await thumb(image, one.box, found.width) });
  hold(picture);
  return picture;
}

/**
 * Add a person whom the detector missed.
 * @param {Picture} picture
 * @param {number[]} box x1, y1, x2, y2 in the picture's pixels
 * @returns {Promise<number>} the person's place in `picture.people`
 */
export async function addByHand(picture, box, signal) {
  const sent = form({ picture: picture.file, box: box.map((one) => one.toFixed(1)).join(",") });
  const { people } = await call("/api/embed", { form: sent, signal });
  const image = picture.shown ? await decoded(picture.url) : null;
  picture.people.push({ ...people[0], thumb: await thumb(image, people[0].box, picture.width) });
  return picture.people.length - 1;
}

function hold(picture) {
  held.set(picture.id, picture);
  while (held.size > KEEP) {
    const [oldest, { url, people }] = held.entries().next().value;
    held.delete(oldest);
    URL.revokeObjectURL(url);
    for (const one of people) if (one.thumb) URL.revokeObjectURL(one.thumb);
  }
}

/** The image, or null where this browser cannot decode it (HEIC, say), though the service could. */
async function decoded(url) {
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
    return image;
  } catch {
    return null;
  }
}

/** A small picture of one person, as the address of a blob. */
function thumb(image, [x1, y1, x2, y2], width) {
  if (!image) return null;
  const scale = image.naturalWidth / width;
  const [margin, height] = [0.06 * (y2 - y1), 200];
  const [left, top] = [Math.max(0, x1 - margin) * scale, Math.max(0, y1 - margin) * scale];
  const right = Math.min(image.naturalWidth, (x2 + margin) * scale);
  const bottom = Math.min(image.naturalHeight, (y2 + margin) * scale);
  if (right - left < 1 || bottom - top < 1) return null;
  const canvas = document.createElement("canvas");
  canvas.height = height;
  canvas.width = Math.max(1, Math.min(400, Math.round((height * (right - left)) / (bottom - top))));
  canvas.getContext("2d").drawImage(image, left, top, right - left, bottom - top, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) =>
    canvas.toBlob((blob) => resolve(blob && URL.createObjectURL(blob)), "image/jpeg", 0.9),
  );
}

function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(6))].map((one) => one.toString(36).padStart(2, "0")).join("");
}

function megabytes(bytes) {
  return `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;
}
