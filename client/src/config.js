/** Return what `{% djust_client_config %}` says in a document, `token`, `url` and `heartbeat`; undefined without it. */
export function readConfig(page) {
  const script = page.querySelector("script[data-djust]");
  return script ? JSON.parse(script.dataset.djust) : undefined;
}
