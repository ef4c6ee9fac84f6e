import { directivesOf } from "./directives.js";

const SHOWN = "data-djust-loading";
const ANY = `//*[@*[starts-with(name(), "dj-loading")]]`;

/** Who waits for which event: `{ trigger, name }`, the element with the directive and the handler's name. */
const waiting = new Set();
let undo = [];

/** Whether an event of this element is under way; for a form that was submitted: a submission, not a change in it. */
export const isBusy = (trigger, form) => [...waiting].some((one) => one.trigger === trigger && one.form === form);

export function begin(one) {
  lift();
  waiting.add(one);
  apply();
}

export function end(entries) {
  lift();
  entries.forEach((one) => waiting.delete(one));
  apply();
}

/** Take back everything that shows an event to be under way, so that the page is as the server rendered it. */
export function lift() {
  undo.reverse().forEach((step) => step());
  undo = [];
}

/** Show which events are under way. */
export function apply() {
  if (!waiting.size) return;
  addClass(document.body, "djust-global-loading");
  for (const { trigger, submitter, form } of waiting) {
    addClass(trigger, "djust-loading");
    // Not for what changes in a form: the click on the button that ends the change would find it disabled.
    const buttons = form ? [...form.elements] : [trigger];
    [...buttons, submitter].filter((button) => button?.hasAttribute("dj-disable-with")).forEach(disableWithText);
  }
  const found = document.evaluate(ANY, document, null, XPathResult.ORDERED_NODE_SNAPSHOT_TYPE);
  for (let at = 0; at < found.snapshotLength; at++) decorate(found.snapshotItem(at));
}

/** `dj-loading.class="a"`, `dj-loading.class:a`, `dj-loading.show.for="name"`: each part after a dot says one thing. */
function decorate(element) {
  const effects = [];
  let events = null;
  let targets = [element];
  for (const { name, value } of element.attributes) {
    if (!name.startsWith("dj-loading")) continue;
    const parts = name.split(".").slice(1);
    if (parts.at(-1) === "target") targets = [...document.querySelectorAll(value)];
    else if (parts.at(-1) === "for" || (!parts.length && value)) events = value.split(/[\s,]+/);
    effects.push(...(parts.length ? parts : [value ? "show" : "class"]).map((part) => [part, value]));
  }
  if (![...waiting].some((one) => concerns(one, element, events))) return;
  for (const [part, value] of effects) targets.forEach((target) => decorateWith(part, value, target));
}

function decorateWith(part, value, target) {
  const [kind, argument] = part.split(/:(.*)/s);
  if (kind === "class") (argument ?? (value || "djust-loading")).split(/\s+/).forEach((name) => addClass(target, name));
  if (kind === "disable") disable(target);
  if (kind === "hide") mark(target, "hide");
  if (kind === "show") {
    mark(target, "show");
    const { style } = target;
    const { display } = style;
    undo.push(() => (style.display = display));
    if (display === "none") style.display = "";
    // What is no way to display, the name of an event for example, changes nothing.
    style.display = value || style.display;
  }
}

/** Whether what an element shows is about an event: those it names, its own, or, where it has none, any. */
function concerns({ trigger, name }, element, events) {
  if (events) return events.includes(name);
  const isNear = element === trigger || element.contains(trigger) || trigger.contains(element);
  return isNear || element.form === trigger || !(directivesOf(element).length || element.closest("[dj-submit]"));
}

function addClass(element, name) {
  if (element.classList.contains(name)) return;
  element.classList.add(name);
  undo.push(() => {
    element.classList.remove(name);
    if (!element.classList.length) element.removeAttribute("class");
  });
}

function mark(element, kind) {
  element.setAttribute(SHOWN, kind);
  undo.push(() => element.removeAttribute(SHOWN));
}

function disable(element) {
  if (element.disabled) return;
  const hadFocus = element === document.activeElement;
  element.disabled = true;
  undo.push(() => {
    element.disabled = false;
    // The browser takes the focus away from what is disabled.
    if (hadFocus && document.activeElement === document.body) element.focus({ preventScroll: true });
  });
}

function disableWithText(button) {
  const text = button.getAttribute("dj-disable-with");
  disable(button);
  if (!text) return;
  if (button.localName === "input") {
    const { value } = button;
    button.value = text;
    undo.push(() => (button.value = value));
  } else {
    const content = [...button.childNodes];
    button.textContent = text;
    undo.push(() => button.replaceChildren(...content));
  }
}
