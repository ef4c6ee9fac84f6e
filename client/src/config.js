/** Return what `{% djust_client_config %}` says in a document: `token`, `url`, `heartbeat`; undefined where it is not. */
export function readConfig(page) {
  const script = page.querySelector("script[data-djust]");
  return script ? JSON.parse(script.dataset.djust) : undefined;
}
