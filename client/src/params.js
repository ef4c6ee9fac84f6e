import { chosen, isTicked } from "./fields.js";
import { typed } from "./values.js";

/** Attributes that name a parameter; what stands further back wins. */
const PREFIXES = ["data-", "data-dj-", "dj-value-"];
const WITHOUT_VALUE = /^(file|button|submit|reset|image)$/;
/** The token means nothing on a socket, and a field without a name has no parameter. */
const LEFT_OUT = ["csrfmiddlewaretoken", ""];

/** Return what the attributes of an element say by name: `data-item-id="3"` is `item_id: 3`. */
export function attributeParams(element) {
  const params = {};
  for (const prefix of PREFIXES) {
    for (const { name, value } of element.attributes) {
      const isNamed = name.startsWith(prefix) && (prefix !== "data-" || !name.startsWith("data-dj-"));
      // What some write after a colon, a type, is for the handler's hints to say.
      if (isNamed) params[name.slice(prefix.length).split(":")[0].replaceAll("-", "_")] = typed(value);
    }
  }
  return params;
}

/** Return the named fields of a form, or of any part of a page. What has no value, as an unticked box, is left out. */
export function fieldParams(container, submitter = null) {
  const params = {};
  const entries = container.localName === "form" ? new FormData(container, submitter) : entriesOf(container);
  for (const [name, value] of entries) {
    if (LEFT_OUT.includes(name) || typeof value !== "string") continue;
    if (!(name in params)) params[name] = value;
    else params[name] = [params[name], value].flat();
  }
  return params;
}

/** Return what `FormData` would of a form, for the fields of any container. */
function entriesOf(container) {
  return [...container.querySelectorAll("input,select,textarea")]
    .filter((field) => !field.disabled && !WITHOUT_VALUE.test(field.type) && (!isTicked(field) || field.checked))
    .flatMap((field) => (field.options ? chosen(field) : [field.value]).map((value) => [field.name, value]));
}
