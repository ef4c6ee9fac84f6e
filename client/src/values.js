// Python writes smaller fractions with an exponent, so as a number they would not come back as the same text.
const SMALLEST_FRACTION = 1e-4;

/**
 * Return what an attribute's text stands for: true, false, or a number that turns into exactly this text again.
 * Anything else, "007" or "1.50" for example, stays text; the server converts it by the type hints of the handler.
 */
export function typed(text) {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  const isPlain = /^-?\d+(\.\d+)?$/.test(text) && String(number) === text;
  return isPlain && (Number.isInteger(number) || Math.abs(number) >= SMALLEST_FRACTION) ? number : text;
}
