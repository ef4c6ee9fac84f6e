/** What directives do: one listener for each kind of event, on the document, so that no morph has to bind anything. */

import { parseCall } from "./call.js";
import { add, page } from "./connection.js";
import { directivesOf, isKey, nearest } from "./directives.js";
import { isField, isTicked, now, valueOf } from "./fields.js";
import { addressOf, isForBrowser } from "./links.js";
import { isBusy } from "./loading.js";
import { patchAndTell, visit } from "./navigation.js";
import { attributeParams, fieldParams } from "./params.js";
import { debounce, flush, throttle } from "./pending.js";

/** How long a user who types is left alone, in milliseconds, where the author says nothing. */
const TYPING_MS = 300;

export function startEvents() {
  const listen = (type, handle) => document.addEventListener(type, handle);
  listen("click", click);
  listen("submit", submit);
  listen("input", ({ target }) => {
    fire(nearest(target, "model", ({ parts }) => !parts.includes("lazy")), target);
    fire(nearest(target, "input"), target);
  });
  listen("change", ({ target }) => {
    fire(nearest(target, "model", ({ parts }) => parts.includes("lazy")), target);
    fire(nearest(target, "change"), target);
  });
  listen("focusin", ({ target }) => fire(nearest(target, "focus"), target));
  listen("focusout", ({ target, relatedTarget }) => {
    flush((one) => one.element === target);
    fire(nearest(target, "blur", ({ element }) => !element.contains(relatedTarget)), target);
  });
  listen("keydown", pressOrRelease);
  listen("keyup", pressOrRelease);
}

/** Tell the server what is in a field, by whichever directives it has. */
export function tellServer(field) {
  for (const kind of ["model", "input", "change"]) {
    const hit = nearest(field, kind);
    if (hit) send(hit, field);
  }
}

function click(event) {
  const hit = nearest(event.target, "click|patch|navigate");
  if (!hit) return;
  const { element } = hit;
  const isLink = element.localName === "a";
  if (isLink && (event.defaultPrevented || isForBrowser(event, element))) return;
  // Otherwise the browser would follow the link, or send the form and leave the page.
  const isStraySubmit = element.type === "submit" && element.form && !element.form.hasAttribute("dj-submit");
  if (isLink || (page && isStraySubmit)) event.preventDefault();
  if (!isConfirmed(element)) return;
  for (const directive of directivesOf(element, "click|patch|navigate")) {
    if (directive.kind === "click") fire(directive, element);
    else {
      flush();
      const address = addressOf(element, directive.value);
      const isPatch = directive.kind === "patch" && page && address.origin === location.origin;
      (isPatch ? patchAndTell : visit)(address);
    }
  }
}

function submit(event) {
  const { target: form, submitter } = event;
  const [directive] = directivesOf(form, "submit");
  if (!directive || !page || event.defaultPrevented) return;
  event.preventDefault();
  if (!isConfirmed(form) || (submitter && !isConfirmed(submitter))) return;
  const params = () => ({
    ...(submitter && attributeParams(submitter)),
    ...fieldParams(form, submitter),
    _target: submitter?.name || submitter?.id || null,
  });
  fire(directive, form, { params, submitter, form });
}

function pressOrRelease(event) {
  const { type, target, key } = event;
  // What is typed into an input method is not meant for the page, and what a browser fills in has no key.
  if (!key || event.isComposing) return;
  fire(nearest(target, type, ({ parts }) => isKey(event, parts)), target, { params: () => ({ key }) });
}

/**
 * Do what a directive says, at the pace it says.
 *
 * @param {object} hit The directive, if there is one.
 * @param {object} more What the entry of the outbox needs besides; `params()` says what is sent besides the attributes.
 */
function fire(hit, target, more) {
  if (!hit || !page || (hit.element.hasAttribute("dj-lock") && isBusy(hit.element, more?.form))) return;
  const { element, kind, name } = hit;
  const isAboutField = /^(input|change|model)$/.test(kind);
  const run = () => send(hit, target, more);
  const interval = Number(setting("throttle", hit, target));
  const pause = pauseOf(hit, target);
  if (pause) debounce(isAboutField ? target : element, name, pause, run);
  else if (interval) throttle(element, name, interval, run, isAboutField);
  else run();
}

function send({ element, kind, name, value }, target, { params, ...more } = {}) {
  const field = isField(target) && target;
  const about = { trigger: element, field, edits: now(), ...more };
  if (kind === "model") {
    add({ t: "model", field: value, value: valueOf(target) }, { ...about, subject: target });
    return;
  }
  const { name: handler, args } = parseCall(value);
  const all = {
    ...attributeParams(element),
    ...(kind !== "submit" && element.localName === "form" && fieldParams(element)),
    ...(field && kind !== "click" && { value: valueOf(field) }),
    ...(field && { _target: field.name || field.id || null }),
    ...params?.(),
  };
  const subject = kind === "input" ? name + value : undefined;
  add({ t: "event", name: handler, params: all, args }, { ...about, subject, name: handler });
}

/** Return how long to wait for more of the same: milliseconds, Infinity until the field is left, or 0. */
function pauseOf(hit, target) {
  const inName = hit.parts.find((part) => part.startsWith("debounce-"))?.slice(9);
  const pause = inName ?? setting("debounce", hit, target);
  if (pause === "blur") return Infinity;
  const isTyped = hit.kind === "input" && !target.options && !isTicked(target) && !setting("throttle", hit, target);
  return Number(pause ?? (isTyped ? TYPING_MS : 0));
}

/** Return what `dj-debounce` or `dj-throttle` says for a field, or for the element that the directive stands on. */
function setting(name, { element }, target) {
  const at = [target, element].find((one) => one.matches(`[dj-${name}],[data-${name}]`));
  return at && (at.getAttribute(`dj-${name}`) ?? at.getAttribute(`data-${name}`));
}

function isConfirmed(element) {
  const question = element.getAttribute("dj-confirm");
  return !question || confirm(question);
}
