/** Bundle src/index.js and idiomorph into one file: `node build.js OUTFILE BANNER`. */

import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { minify } from "terser";

/**
 * A page morphs the inside of an element, and looks after fields and focus itself. What idiomorph has besides, for heads,
 * whole documents, single nodes and values, would be an eighth of the file, so these functions get shorter bodies. One
 * that is not found fails the build: a new release of idiomorph has to be looked at.
 */
const SHORTER_BODIES = {
  "function withHeadBlocking": "{ return callback(ctx); }",
  "function handleHeadElement": "{}",
  "function saveAndRestoreFocus": "{ return fn(); }",
  "function morphOuterHTML": "{}",
  "function normalizeElement": "{ return content; }",
  "function normalizeParent": "{ return newContent; }",
  "function parseContent": "{}",
  "class SlicedParentNode": "{}",
  "function syncInputValue": "{}",
  "function syncBooleanAttribute": "{}",
  "function ignoreValueOfActiveElement": "{ return false; }",
  "function createMorphContext": `{
    const doc = oldNode.ownerDocument;
    return {
      ...createIdMaps(oldNode, newContent),
      ...config,
      target: oldNode,
      doc,
      pantry: createPantry(doc),
      activeElementAndParents: createActiveElementAndParents(oldNode, doc),
      callbacks: { ...defaults.callbacks, ...config.callbacks },
    };
  }`,
};

/** Names of properties that nobody else sees: those of idiomorph's context, and our own. */
const INTERNAL = new RegExp(
  "^(?:" +
    "persistentIds|idMap|activeElementAndParents|ignoreActive(?:Value)?|morphStyle|newContent|pantry|config|callbacks|" +
    "(?:before|after)(?:Node|Attribute)\\w+|restoreFocus|should\\w+|afterHeadMorphed|(?:input|option|textArea|template|head)Element|elt|" +
    "outbox|element|parts|edits|joinFrame|hasNext|acknowledge|rewind|subject|trigger|isAhead|isAnother(?:Page)?|isSame|how" +
    ")$",
);

const slimIdiomorph = {
  name: "slim-idiomorph",
  setup({ onLoad }) {
    onLoad({ filter: /idiomorph\.esm\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: Object.entries(SHORTER_BODIES).reduce(withBody, source) };
    });
  },
};

/** Return the source with another body for one declaration; bodies end where a brace is indented as the declaration. */
function withBody(source, [declaration, body]) {
  const found = new RegExp(`^( *)${declaration}\\b([^{]*)\\{$.*?^\\1\\}$`, "ms");
  if (!found.test(source)) throw new Error(`idiomorph has no ${declaration} any more: see client/build.js.`);
  return source.replace(found, (_, indent, head) => `${indent}${declaration}${head}${body}`);
}

const [, , outfile, banner = ""] = process.argv;
const bundle = await build({
  entryPoints: [new URL("src/index.js", import.meta.url).pathname],
  bundle: true,
  write: false,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  drop: ["console"],
  plugins: [slimIdiomorph],
});
const { code } = await minify(bundle.outputFiles[0].text, {
  ecma: 2020,
  compress: { passes: 3, unsafe: true, unsafe_arrows: true },
  mangle: { properties: { regex: INTERNAL } },
  format: { preamble: banner },
});
await writeFile(outfile, code);
