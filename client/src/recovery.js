/** What a user has typed, ticked and chosen, carried over to a page that starts afresh. */

import { add } from "./connection.js";
import { directivesOf } from "./directives.js";
import { tellServer } from "./events.js";
import { isField, isTicked, markEdited, reset, restore, servedState, stateOf, wasEdited } from "./fields.js";
import { attributeParams, fieldParams } from "./params.js";

const WITHOUT_INPUT = /^(hidden|password|file|submit|button|reset|image)$/;

/** Return what fields hold besides what the server gave them. */
export function remember() {
  return named()
    .filter(([field]) => wasEdited(field) || !isAsServed(field))
    .map(([field, name]) => [name, stateOf(field)]);
}

/** Give the fields of a fresh page what they held, and tell the server. */
export function putBack(remembered) {
  const fields = new Map(named().map(([field, name]) => [name, field]));
  for (const field of document.querySelectorAll("[dj-no-recover],[dj-no-recover] *")) isField(field) && reset(field);
  for (const [name, state] of remembered) {
    const field = fields.get(name);
    if (!field) continue;
    restore(field, state);
    markEdited(field);
    // Of radio buttons the one that is chosen speaks for all.
    const isSaid = isAsServed(field) || (field.type === "radio" && !state);
    if (!isSaid && !field.closest("[dj-auto-recover]")) tellServer(field);
  }
  for (const element of document.querySelectorAll("[dj-auto-recover]")) {
    const params = { ...attributeParams(element), ...fieldParams(element) };
    add({ t: "event", name: element.getAttribute("dj-auto-recover"), params });
  }
}

const isAsServed = (field) => String(stateOf(field)) === String(servedState(field));

/** Return the fields that are recovered, each with a name that finds it again in a fresh page. */
function named() {
  const counts = {};
  return [...document.querySelectorAll("input,select,textarea")]
    .filter((field) => !field.closest("[dj-no-recover]") && !WITHOUT_INPUT.test(field.type))
    .map((field) => {
      const name = nameOf(field);
      counts[name] = (counts[name] ?? 0) + 1;
      return [field, `${name}#${counts[name]}`];
    });
}

function nameOf(field) {
  const { form } = field;
  const row = field.closest("[dj-key],[data-key]");
  return JSON.stringify([
    form && ["id", "name", "dj-submit"].map((name) => form.getAttribute(name)),
    row && (row.getAttribute("dj-key") ?? row.dataset.key),
    field.id || field.name || directivesOf(field).map(({ value }) => value),
    isTicked(field) && field.defaultValue,
  ]);
}
