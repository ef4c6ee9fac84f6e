/**
 * Return `text` with splices applied: `[start, removed, inserted]`, in ascending order of `start`. Offsets count UTF-16
 * code units of `text`, so the last splice goes first: it moves nothing that another one refers to.
 */
export function applySplices(text, splices) {
  return splices.reduceRight(
    (result, [start, removed, inserted]) => result.slice(0, start) + inserted + result.slice(start + removed),
    text,
  );
}
