/**
 * Bundle src/index.js and idiomorph into one file: `node build.js OUTFILE BANNER`.
 *
 * A LiveView morphs the inside of an element. What idiomorph has besides, for heads, whole documents and single nodes, is
 * left out: it would be a tenth of the file. A function that is not found fails the build, so that a new release of
 * idiomorph is looked at.
 */
import { readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";
import { minify } from "terser";

const LEFT_OUT = {
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
};

/** Names of properties that nobody else sees: those of idiomorph's context, and our own. */
const INTERNAL = new RegExp(
  "^(?:" +
    "persistentIds|idMap|activeElementAndParents|ignoreActive(?:Value)?|morphStyle|newContent|pantry|config|callbacks|" +
    "(?:before|after)(?:Node|Attribute)\\w+|restoreFocus|should\\w+|afterHeadMorphed|(?:input|option|textArea|template|head)Element|elt|" +
    "outbox|joinFrame|hasNext|acknowledge|rewind|subject|trigger|isAhead|isAnother(?:Page)?|isSame|how" +
    ")$",
);

const slimIdiomorph = {
  name: "slim-idiomorph",
  setup({ onLoad }) {
    onLoad({ filter: /idiomorph\.esm\.js$/ }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      return { contents: Object.entries(LEFT_OUT).reduce(withBody, source) };
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
