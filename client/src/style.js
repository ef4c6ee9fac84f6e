/**
 * What the script itself needs to look like. A style sheet made by script is allowed where a content security policy
 * forbids styles in the page, and a layer gives way to all that a site's own styles say.
 */
const RULES = `@layer djust {
  [dj-cloak],
  [dj-loading\\.show]:not([data-djust-loading=show]),
  [dj-loading]:not([dj-loading=""], [data-djust-loading=show]),
  [data-djust-loading=hide] { display: none !important }
  .dj-banner {
    position: fixed; z-index: 2147483647; inset: auto 1rem 1rem auto; max-width: calc(100vw - 4rem);
    padding: .5rem 1rem; border: 1px solid; border-radius: .5rem; font: 1rem/1.5 system-ui, sans-serif;
    color-scheme: light dark; color: CanvasText; background: Canvas; box-shadow: 0 .25rem 1rem #0004;
  }
  .dj-banner:empty { opacity: 0; pointer-events: none }
  .dj-banner button { font: inherit }
}`;

export function addStyle() {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(RULES);
  document.adoptedStyleSheets.push(sheet);
}
