import { Idiomorph } from "idiomorph";
import { isField, reconcile } from "./fields.js";

const KEYED = "[dj-key],[data-key]";
const KEY_PREFIX = "djust-key:";
const IGNORED = '[dj-update="ignore"]';
const FOLDING = "details,dialog";

/** What the server's HTML says of elements that a user can open and close. */
const servedOpen = new WeakMap();

/** Remember which elements below `element`, and itself, the server's HTML opens. */
export function noteOpen(element) {
  if (element.matches?.(FOLDING)) servedOpen.set(element, element.open);
  element.querySelectorAll?.(FOLDING).forEach((inner) => servedOpen.set(inner, inner.open));
}

/** Return HTML as nodes that do nothing yet: no script runs, no image is fetched. */
export function parse(html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  return template.content;
}

/**
 * Turn the content of `root` into that of `next`, and keep what a user has done: what is typed, ticked, chosen, opened
 * and focused.
 *
 * @param {(field: Element) => boolean} options.isAhead Whether the server does not know yet what is in a field.
 * @param {boolean} options.isAnotherPage Whether it is another page, where only elements with the same id are the same
 *   to the user.
 */
export function morph(root, next, { isAhead = () => false, isAnotherPage = false }) {
  next.querySelectorAll("[dj-cloak]").forEach((element) => element.removeAttribute("dj-cloak"));
  const keptOpen = new Set();
  const unfinished = new Map();
  const focused = document.activeElement;
  identify(root);
  identify(next);
  try {
    Idiomorph.morph(root, next, {
      callbacks: {
        afterNodeAdded: noteOpen,
        beforeNodeMorphed(element, counterpart) {
          if (!element.matches) return true;
          const id = element.getAttribute("id");
          const isAnother = isAnotherPage && !(id && id === counterpart.getAttribute("id"));
          if (!isAnother && [element, counterpart].every((one) => one.matches(IGNORED))) return false;
          if (element.matches(FOLDING)) {
            if (!isAnother && servedOpen.get(element) === counterpart.open) keptOpen.add(element);
            servedOpen.set(element, counterpart.open);
          }
          if (isField(element)) {
            const finish = reconcile(element, counterpart, { isAhead: isAhead(element), isAnother: isAnotherPage });
            unfinished.set(element, finish);
          }
          return true;
        },
        afterNodeMorphed: (element) => unfinished.get(element)?.(),
        beforeAttributeUpdated: (name, element) =>
          !(name === "open" ? keptOpen.has(element) : isOfField(name, element)),
      },
    });
  } catch (error) {
    // A form whose fields have the names of what every element has, `attributes` for example, is beyond a morph.
    reportError(error);
    root.replaceChildren(...next.childNodes);
  }
  root.querySelectorAll(`[id^="${KEY_PREFIX}"]`).forEach((element) => element.removeAttribute("id"));
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

/** Whether an attribute belongs to what `reconcile` looks after. */
function isOfField(name, element) {
  if (element.localName === "option") return name === "selected";
  return isField(element) && (name === "value" || name === "checked");
}

/**
 * Let keys be ids while the morph is at work, since ids are what it recognises elements by. A key has to be unique
 * below the nearest element that has a key or an id; where it is not, order decides.
 *
 * The property `id` of a form may be its field of that name.
 */
function identify(root) {
  const counts = {};
  for (const element of root.querySelectorAll(KEYED)) {
    if (element.getAttribute("id")) continue;
    const parent = element.parentNode.closest?.("[id]");
    const scope = parent && parent !== root && root.contains(parent) ? parent.getAttribute("id") : "";
    const key = element.getAttribute("dj-key") ?? element.dataset.key;
    const id = `${KEY_PREFIX}${scope}/${element.localName}/${key}`;
    counts[id] = (counts[id] ?? 0) + 1;
    element.setAttribute("id", `${id}#${counts[id]}`);
  }
}
