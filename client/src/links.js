/** Return the address that a link with dj-patch or dj-navigate leads to. */
export const addressOf = (link, text) => new URL(text || link.getAttribute("href") || "", location.href);

/** Let links of this page's address say that they lead here; where an author says something else, leave it. */
export function markCurrentLinks() {
  for (const link of document.querySelectorAll("[dj-navigate]")) {
    const { origin, pathname } = addressOf(link, link.getAttribute("dj-navigate"));
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
