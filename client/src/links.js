/** Return the address that a link with dj-patch or dj-navigate leads to. */
export const addressOf = (link, text) => new URL(text || link.getAttribute("href") || "", location.href);

/**
 * Let links that say where they lead only to us be links to everybody, keyboards included; and let those to this page
 * say so, unless an author says something else of them.
 */
export function markLinks() {
  for (const link of document.querySelectorAll("a[dj-patch],a[dj-navigate]")) {
    const text = link.getAttribute("dj-navigate");
    const { href, origin, pathname } = addressOf(link, text ?? link.getAttribute("dj-patch"));
    if (!link.hasAttribute("href")) link.href = href;
    if (text === null) continue;
    if (origin === location.origin && pathname === location.pathname) {
      if (!link.hasAttribute("aria-current")) link.setAttribute("aria-current", "page");
    } else if (link.getAttribute("aria-current") === "page") link.removeAttribute("aria-current");
  }
}

/** Whether the browser should follow a link by itself: in a new tab or window, or to save it. */
export function isForBrowser(event, link) {
  const isModified = event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;
  const isElsewhere = (link.target && link.target !== "_self") || link.hasAttribute("download");
  return event.button > 0 || isModified || Boolean(isElsewhere);
}
