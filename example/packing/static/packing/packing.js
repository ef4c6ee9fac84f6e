/** What these pages do besides: tell who looks at a list, move the focus where a view sends it, copy a link. */
(() => {
  const LOOKS_MS = 20_000;
  let path = location.pathname;
  let isHere = true;

  /** Call a handler of the page, if it is a list and connected. */
  const push = (name) => {
    if (isHere && document.querySelector("[data-looks]") && window.djust?.connected) window.djust.push(name);
  };
  const look = () => document.hidden || push("look");

  document.addEventListener("djust:connected", () => {
    path = location.pathname;
    look();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? push("look_away") : look()));
  setInterval(look, LOOKS_MS);

  // Ways to leave a list. They are heard here before the page goes.
  addEventListener("pagehide", () => {
    push("look_away");
    isHere = false;
  });
  addEventListener("pageshow", () => (isHere = true));
  addEventListener("popstate", () => location.pathname !== path && push("look_away"));
  document.addEventListener(
    "click",
    (event) => {
      const isModified = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey;
      if (!isModified && event.target.closest("a[dj-navigate]")) push("look_away");
    },
    true,
  );

  document.addEventListener("djust:push_event", ({ detail: { event, payload } }) => {
    if (event === "focus") document.getElementById(payload.id)?.focus();
  });

  document.addEventListener("click", async ({ target }) => {
    const button = target.closest("[data-copy]");
    if (!button) return;
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      // The link is selected, so that it can be copied by hand.
      field.focus();
    }
  });
})();
