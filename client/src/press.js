/** What would move under a pointer that is down would not be clicked, so it waits until the pointer is up. */

const CLICKABLE = "a,button,label,summary,input:not([type=range]),[dj-click]";
/** Where nobody tells that the pointer is up, as when a menu opened, no page stands still for longer. */
const LONGEST_MS = 1_000;

let waiting;
let timer;

export function startPresses() {
  const listen = (type, handle) => addEventListener(type, handle, true);
  listen("pointerdown", ({ target }) => {
    if (!target.closest(CLICKABLE)) return;
    waiting ??= [];
    clearTimeout(timer);
    timer = setTimeout(letGo, LONGEST_MS);
  });
  // The click comes right after that.
  for (const type of ["pointerup", "pointercancel"]) listen(type, () => setTimeout(letGo));
}

/** Run something as soon as no pointer is down. */
export function runUnpressed(run) {
  if (waiting) waiting.push(run);
  else run();
}

function letGo() {
  const runs = waiting ?? [];
  waiting = undefined;
  runs.forEach((run) => run());
}
