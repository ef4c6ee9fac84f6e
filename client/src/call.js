const CALL = /^\s*(\w+)\s*(?:\((.*)\))?\s*$/s;
const SINGLE_QUOTED = /"(?:[^"\\]|\\.)*"|'((?:[^'\\]|\\.)*)'/gs;

/**
 * Read the value of a directive: `name`, or `name('text', 3, true, null)`. Texts may stand in either kind of quotes,
 * everything else is JSON.
 *
 * Throws a SyntaxError for what is neither, which shows up in the console of whoever wrote the template.
 */
export function parseCall(text) {
  const [, name, list = ""] = CALL.exec(text) ?? [];
  if (!name) throw new SyntaxError(`djust: no handler: ${text}`);
  const json = list.replace(SINGLE_QUOTED, (quoted, inner) =>
    inner === undefined ? quoted : JSON.stringify(inner.replace(/\\(.)/gs, "$1")),
  );
  return { name, args: JSON.parse(`[${json}]`) };
}
