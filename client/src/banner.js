const NOTICE_MS = 6_000;
/** A connection that comes back within this time is not worth a word. */
const GRACE_MS = 1_000;

const banner = document.createElement("div");
let timer;

/** Put up the line at the edge of the page that says how things stand: outside the body, which may be exchanged. */
export function addBanner() {
  banner.className = "dj-banner";
  banner.role = "status";
  document.documentElement.append(banner);
}

/** Say something until further notice, with a button if there is something to do. */
export function say(text, label, action) {
  clearTimeout(timer);
  banner.replaceChildren(text);
  if (!action) return;
  const button = document.createElement("button");
  button.textContent = label;
  button.onclick = action;
  banner.append(" ", button);
}

/** Say something soon, unless something else is to be said by then. */
export function saySoon(text) {
  clearTimeout(timer);
  timer = setTimeout(say, GRACE_MS, text);
}

/** Say something for some seconds. */
export function sayBriefly(text) {
  say(text);
  timer = setTimeout(say, NOTICE_MS, "");
}
