const DIRECTIVE = /^dj-(click|submit|input|change|blur|focus|keydown|keyup|model|patch|navigate)(?:\.(.+))?$/;

/**
 * Return what an element does on events.
 *
 * @param {string} kinds Which, separated by "|"; all unless given.
 * @returns {{element, kind, name, value, parts}[]} `parts`: what stands after the dots of the attribute's name.
 */
export function directivesOf(element, kinds) {
  return [...element.attributes].flatMap(({ name, value }) => {
    const [, kind, suffix = ""] = DIRECTIVE.exec(name) ?? [];
    const isWanted = kind && (!kinds || kinds.split("|").includes(kind));
    return isWanted ? [{ element, kind, name, value, parts: suffix.split(".").filter(Boolean) }] : [];
  });
}

/** Return the nearest directive of some kinds that fits, from `element` upwards; or undefined. */
export function nearest(element, kinds, fits = () => true) {
  for (; element?.attributes; element = element.parentElement) {
    const found = directivesOf(element, kinds).find(fits);
    if (found) return found;
  }
}

/** Whether the parts of a key directive, as in `dj-keydown.ctrl.enter`, name the pressed key. */
export function isKey(event, parts) {
  const key = { " ": "space", Escape: "escape esc" }[event.key] ?? event.key.toLowerCase();
  return parts.every((part) => part.startsWith("debounce-") || (event[`${part}Key`] ?? key.split(" ").includes(part)));
}
