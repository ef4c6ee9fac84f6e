import { isComposing, isField, reset, wasEdited } from "./fields.js";
import * as loading from "./loading.js";
import { markLinks } from "./links.js";
import { morph, parse } from "./morph.js";
import { Outbox } from "./outbox.js";
import { isPending } from "./pending.js";
import { applySplices } from "./splices.js";

/** One page instance: a token, what the server rendered last, and what it has not acknowledged yet. */
export class Page {
  outbox = new Outbox();
  client = crypto.getRandomValues(new Uint32Array(4)).join("-");
  #token;
  #html;
  /** The number of the last event whose answer has come. */
  #acked = 0;

  constructor(token) {
    this.#token = token;
  }

  get joinFrame() {
    return { t: "join", token: this.#token, client: this.client, acked: this.#acked };
  }

  /**
   * Add a numbered frame.
   *
   * @param {object} entry `trigger`, the element whose directive it is; `field`, the form field that it tells about;
   *   `form`, which was submitted, at the time `edits`; `subject`, see `Outbox`; `done(frame)`, called when it is
   *   acknowledged.
   */
  add(frame, entry = {}) {
    const outdated = this.outbox.add(frame, entry);
    if (outdated) loading.end([outdated]);
    if (entry.trigger) loading.begin(entry);
  }

  /** Take over what a frame of the server says about the page, and acknowledges. */
  receive(frame) {
    this.#acked = frame.n ?? this.#acked;
    const done = this.outbox.acknowledge(this.#acked);
    const before = this.#html;
    const html = (this.#html = frame.html ?? applySplices(before, frame.splices ?? []));
    loading.end(done);
    if (html !== before) {
      loading.lift();
      morph(document.querySelector("[dj-root]"), parse(html), { isAhead: (field) => this.#isAhead(field) });
      loading.apply();
    }
    if (frame.title != null) document.title = frame.title;
    if (frame.t !== "error" && !frame.conflict) done.forEach(takeOver);
    done.forEach((entry) => entry.done?.(frame));
    markLinks();
  }

  /** Forget what is not acknowledged, and return it. */
  drop() {
    const dropped = this.outbox.drop();
    loading.end(dropped);
    return dropped;
  }

  #isAhead(field) {
    return isComposing(field) || isPending(field) || this.outbox.some((entry) => entry.field === field);
  }
}

/**
 * After a form was submitted, and that worked, its fields hold what the server renders, as after any other submission.
 * What was typed since then stays, and so do bound fields, which follow the state and not the form.
 */
function takeOver({ form, edits }) {
  for (const field of form?.elements ?? []) {
    const isBound = [...field.attributes].some(({ name }) => /^dj-model\b/.test(name));
    if (!isField(field) || isBound || field.type === "file" || wasEdited(field, edits)) continue;
    if (!field.closest('[dj-update="ignore"]')) reset(field);
  }
}
