/** What a user has done with form fields, and who wins when the server has another opinion. */

/** When each field was last edited, on a clock that counts edits. */
const edits = new WeakMap();
/** Fields whose server HTML changed while the server did not know yet what the user had typed. */
const overruled = new WeakSet();
let clock = 0;
let composing = null;

for (const type of ["input", "change"]) document.addEventListener(type, ({ target }) => markEdited(target), true);
document.addEventListener("compositionstart", ({ target }) => (composing = target), true);
document.addEventListener("compositionend", () => (composing = null), true);

export const markEdited = (field) => edits.set(field, ++clock);

/** Return the time by the clock of edits. */
export const now = () => clock;

export const wasEdited = (field, since = 0) => edits.get(field) > since;

/** Whether an input method is at work in the field: writing to it would break that. */
export const isComposing = (field) => field === composing;

export const isField = (element) => /^(input|select|textarea)$/.test(element.localName);

export const isTicked = (field) => /^(checkbox|radio)$/.test(field.type);

/** Return the field's value as an event sends it. */
export function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  if (field.multiple && field.options) return chosen(field);
  return field.value;
}

/** Return what the user sees in a field, in a form that `restore` takes back. */
export function stateOf(field) {
  if (field.options) return chosen(field);
  return isTicked(field) ? field.checked : field.value;
}

/** Return what the server's HTML says the field holds, in the form of `stateOf`. */
export function servedState(field) {
  if (field.options) return servedChoice(field);
  return isTicked(field) ? field.defaultChecked : field.defaultValue;
}

/** Let a field hold a state. The caret stays where it is. */
export function restore(field, state) {
  if (field.options) choose(field, state);
  else if (isTicked(field)) field.checked = state;
  else if (field.value !== state) write(field, state);
}

/** Let a field hold what the server's HTML says. */
export const reset = (field) => restore(field, servedState(field));

/**
 * Bring a field to what the server renders, where the server's HTML for it is another one than before, or where it is
 * another field to the user (`isAnother`). What the user did stays otherwise, and also while the server does not know
 * of it yet (`isAhead`).
 *
 * Returns what is left to do when the content of the field has been brought up to date.
 */
export function reconcile(field, next, { isAhead, isAnother }) {
  if (next.type === "file") return;
  isAnother ||= !isSame(field, next);
  const before = String(servedState(field));
  const shown = stateOf(field);
  if (field.options) {
    return () => {
      [...next.options].forEach((option, at) => (field.options[at].defaultSelected = option.defaultSelected));
      settle(String(servedChoice(field)) !== before);
    };
  }
  if (field.localName === "textarea") field.defaultValue = next.defaultValue;
  else ["type", "value", "checked"].forEach((name) => copyAttribute(field, next, name));
  settle(String(servedState(field)) !== before);

  function settle(hasChanged) {
    const serverWins = hasChanged || isAnother || overruled.has(field);
    if (serverWins && (isAnother || !isAhead)) {
      overruled.delete(field);
      reset(field);
    } else {
      if (serverWins) overruled.add(field);
      restore(field, shown);
    }
  }
}

/** Whether two elements that meet in a morph are the same field to the user. */
function isSame(field, next) {
  const names = isTicked(field) || isTicked(next) ? ["name", "id", "type", "value"] : ["name", "id"];
  return names.every((name) => field.getAttribute(name) === next.getAttribute(name));
}

function copyAttribute(field, next, name) {
  const value = next.getAttribute(name);
  if (value === null) field.removeAttribute(name);
  else if (field.getAttribute(name) !== value) field.setAttribute(name, value);
}

function write(field, value) {
  // Types without a caret, number for example, say null.
  const { selectionStart, selectionEnd, selectionDirection } = field;
  field.value = value;
  if (selectionStart != null && field === document.activeElement) {
    field.setSelectionRange(selectionStart, selectionEnd, selectionDirection);
  }
}

export const chosen = (select) => [...select.selectedOptions].map((option) => option.value);

/** Return the values that the HTML selects. Where it selects none, a list that drops down shows its first one. */
const servedChoice = (select) => [...select.options].filter((option) => option.defaultSelected).map((o) => o.value);

function choose(select, values) {
  const isPossible = select.multiple || [...select.options].some((option) => values.includes(option.value));
  for (const option of select.options) {
    const isChosen = isPossible ? values.includes(option.value) : option.defaultSelected;
    if (option.selected !== isChosen) option.selected = isChosen;
  }
}
