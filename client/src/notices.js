import { sayBriefly } from "./banner.js";

/** Dispatch `djust:<name>` on the document; it bubbles to the window. Returns whether nobody prevented its default. */
export const tell = (name, detail) =>
  document.dispatchEvent(new CustomEvent(`djust:${name}`, { detail, bubbles: true, cancelable: true }));

/** Tell what a frame brought along besides the page. */
export function tellAbout({ t, conflict, message, events = [] }) {
  if (conflict && tell("conflict")) sayBriefly("This page was changed elsewhere: this is how it is.");
  if (t === "error" && tell("error", { message })) sayBriefly(message);
  for (const [event, payload] of events) tell("push_event", { event, payload });
}
