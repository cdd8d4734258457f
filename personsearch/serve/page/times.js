// Times in form fields. A gallery's times are seconds since 1970 (dates, in UTC) or since a video began.

/** Seconds -> what the field shows. */
export function toField(seconds, isDate) {
  if (seconds === null || seconds === undefined || seconds === "" || !Number.isFinite(Number(seconds))) return "";
  if (isDate) return new Date(1000 * Number(seconds)).toISOString().slice(0, 19);
  return clock(Number(seconds));
}

/** 3725.5 -> "1:02:05.5" */
export function clock(seconds) {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const rest = Math.round((seconds % 60) * 100) / 100;
  const tail = `${rest < 10 ? "0" : ""}${rest}`;
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/**
 * What the field shows -> seconds.
 * @returns {number|null|undefined} null = empty, undefined = not a time
 */
export function fromField(text, isDate) {
  const plain = text.trim();
  if (!plain) return null;
  if (isDate) {
    const milliseconds = Date.parse(`${plain}Z`);
    return Number.isNaN(milliseconds) ? undefined : milliseconds / 1000;
  }
  const parts = plain.split(":").map(Number);
  if (!/^[\d:.]+$/.test(plain) || parts.length > 3 || parts.some(Number.isNaN)) return undefined;
  return parts.reduce((sum, one) => 60 * sum + one, 0);
}
