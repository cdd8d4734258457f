// What numbers mean, in plain words. All of it follows from the calibration; without one nothing is claimed.

/**
 * @typedef {{rate: number, one_in: number, similarity: number, true_match_rate: number|null}} Threshold
 * @typedef {{dataset: string, thresholds: Threshold[], similarities: number[], probabilities: number[]}} Calibration
 */

const COUNT = new Intl.NumberFormat("en-GB");

/** 12345 -> "12,345" */
export const count = (number) => COUNT.format(number);

/** plural(1, "scene") -> "1 scene"; plural(2, "person", "people") -> "2 people" */
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;

/** A similarity as everywhere: two decimals, rounded down, so that 0.999 is not called 1. */
export function similarity(value) {
  const rounded = value >= 0.9999 ? 1 : Math.floor(value * 100 + 1e-9) / 100;
  return rounded.toFixed(2).replace("-", "\u2212");
}

/** A share as a percentage: 0.0012 -> "0.12 %", 0.6183 -> "62 %". */
export function percent(share) {
  const value = 100 * share;
  if (value > 99 && value < 100) return `${(Math.floor(value * 10) / 10).toFixed(1)} %`;
  return `${value >= 10 || value === 0 ? Math.round(value) : Number(value.toPrecision(2))} %`;
}

/** "1 in 1,000" */
export const oneIn = (number) => `1 in ${count(number)}`;

/** From which probability which words hold, and how a tile is coloured. */
const WORDS = [
  [0.95, "almost surely the same", "sure"],
  [0.75, "probably the same", "likely"],
  [0.4, "perhaps the same", "open"],
  [0.1, "hard to say", "open"],
  [0, "as alike as strangers can be", "unlikely"], // not "someone else": many a right match is no more alike than this
];

/**
 * The words for a probability.
 * @param {number|null} probability
 * @returns {{text: string, level: string}|null} null = nothing can be said
 */
export function meaning(probability) {
  if (probability === null || probability === undefined) return null;
  const [, text, level] = WORDS.find(([from]) => probability >= from);
  return { text, level };
}

/** What one match's number says, in sentences. */
export function explained(match, calibration) {
  if (!calibration) return [NO_CALIBRATION];
  const lines = [];
  if (match.probability === null || match.probability === undefined) lines.push(NO_PROBABILITY);
  else
    lines.push(
      `Of pairs this alike, ${percent(match.probability)} were of one person, on the set it was measured on ` +
        `(${calibration.dataset}). Other cameras, and uniforms, change that.`,
    );
  const least = loosest(calibration);
  if (match.one_in) lines.push(`Of pairs of different people, at most ${oneIn(match.one_in)} look this alike.`);
  else if (least) lines.push(`More than ${oneIn(least.one_in)} pairs of different people look this alike.`);
  return lines;
}

export const NO_CALIBRATION =
  "These weights come without a calibration, so nothing is known about what a similarity means. " +
  "Compare the numbers with each other only, and look at the pictures.";

export const NO_PROBABILITY = "Nothing is known about what this number means after such a search.";

/** The threshold with the largest rate, or undefined. */
function loosest(calibration) {
  return [...calibration.thresholds].sort((a, b) => a.similarity - b.similarity)[0];
}

/**
 * What a threshold does.
 * @param {number|null} value keep matches of at least this similarity; null = all
 * @param {Calibration|null} calibration
 * @param {number} people how many are compared
 * @returns {string[]} sentences
 */
export function threshold(value, calibration, people) {
  if (!calibration) return ["Without a calibration, nobody can say how many strangers a threshold lets through."];
  if (value === null) return ["Everybody is ranked, also those who look nothing like the person."];
  const rising = [...calibration.thresholds].sort((a, b) => a.similarity - b.similarity);
  if (!rising.length) return [`${calibration.dataset} had too few people to say how often strangers look this alike.`];
  const reached = rising.filter((one) => one.similarity <= value + 5e-4);
  const above = rising.find((one) => one.similarity > value + 5e-4);
  const last = reached.at(-1);
  const lines = [];
  if (!last) lines.push(`Of pairs of different people, more than ${oneIn(rising[0].one_in)} look this alike.`);
  else {
    lines.push(`Of pairs of different people, at most ${oneIn(last.one_in)} look this alike.`);
    const strangers = last.rate * people;
    lines.push(
      strangers < 1
        ? `Among the ${count(people)} people detected here, hardly a stranger gets through.`
        : `Among the ${count(people)} people detected here, about ${plural(Math.round(strangers), "stranger")} can get through.`,
    );
  }
  const kept = keeps(value, last, above);
  if (kept) lines.push(`Keeps ${kept} of right matches, on the set it was measured on (${calibration.dataset}).`);
  return lines;
}

function keeps(value, reached, above) {
  const most = reached?.true_match_rate ?? null;
  const least = above?.true_match_rate ?? null;
  if (most !== null && Math.abs(reached.similarity - value) < 0.0105) return `about ${percent(most)}`;
  if (most !== null && least !== null) return `between ${percent(least)} and ${percent(most)}`;
  if (most !== null) return `less than ${percent(most)}`;
  if (least !== null) return `more than ${percent(least)}`;
  return null;
}

/** From when to when, without saying the same date twice. */
export function span(firstText, lastText) {
  if (!firstText) return "time unknown";
  if (!lastText || firstText === lastText) return firstText;
  const date = /^(\d{4}-\d\d-\d\d)[ T](.*)$/;
  const [first, last] = [firstText.match(date), lastText.match(date)];
  return first && last && first[1] === last[1] ? `${firstText} to ${last[2]}` : `${firstText} to ${lastText}`;
}

/** The camera and time of a sighting or scene, where known. */
export function whereAndWhen(one) {
  return [one.camera ?? "camera unknown", one.time_text].filter(Boolean).join(" \u00b7 ");
}

/** How a person is called. */
export function called(personId, name) {
  return name ? name : `Person ${personId}`;
}
