/** Bundle src/index.js and idiomorph into one file: `node build.js OUTFILE BANNER`. */

import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { minify } from "terser";

/**
 * A page morphs the inside of an element, gives the callbacks that it needs, and looks after fields and focus itself.
 * What idiomorph has besides, for heads, whole documents, single nodes and values, would be a sixth of the file, so
 * these declarations get shorter bodies. How elements are matched and moved is left as it is. A declaration that is not
 * found fails the build: a new release of idiomorph has to be looked at.
 */
const SHORTER_BODIES = {
  "const defaults": "{}",
  "function morph": `{
    const ctx = createMorphContext(oldNode, newContent, config);
    morphChildren(ctx, oldNode, newContent);
    ctx.pantry.remove();
  }`,
  "function removeNode": "{ ctx.idMap.has(node) ? moveBefore(ctx.pantry, node, null) : node.remove(); }",
  "function morphNode": `{
    if (ctx.callbacks.beforeNodeMorphed(oldNode, newContent)) {
      morphAttributes(oldNode, newContent, ctx);
      morphChildren(ctx, oldNode, newContent);
      ctx.callbacks.afterNodeMorphed(oldNode);
    }
    return oldNode;
  }`,
  "function syncInputValue": "{}",
  "function ignoreAttribute": "{ return !ctx.callbacks.beforeAttributeUpdated(attr, element); }",
  "function ignoreValueOfActiveElement": "{ return false; }",
  "function createMorphContext": `{
    const doc = oldNode.ownerDocument;
    return {
      ...createIdMaps(oldNode, newContent),
      target: oldNode,
      doc,
      pantry: createPantry(doc),
      activeElementAndParents: createActiveElementAndParents(oldNode, doc),
      callbacks: { beforeNodeAdded() {}, ...config.callbacks },
    };
  }`,
  "function findIdElements": `{
    return [...root.querySelectorAll('[id]:not([id=""])')].map((elt) => ({ elt, id: elt.getAttribute("id") }));
  }`,
  "const { normalizeElement": "{ return {}; }",
  "const is": `{
    return { element: (node) => node.nodeType === 1, templateElement: (node) => node.localName === "template" };
  }`,
};

/** Names of properties that nobody else sees: those of idiomorph's context, and our own. */
const INTERNAL = new RegExp(
  "^(?:" +
    [
      ...["persistentIds", "idMap", "activeElementAndParents", "pantry", "callbacks", "templateElement", "elt"],
      ...["beforeNodeAdded", "afterNodeAdded", "beforeNodeMorphed", "afterNodeMorphed"],
      ...["beforeNodeRemoved", "afterNodeRemoved", "beforeAttributeUpdated"],
      ...["outbox", "parts", "edits", "joinFrame", "hasNext", "acknowledge", "rewind", "subject", "trigger"],
      ...["isAhead", "isAnother", "isAnotherPage", "isSame", "how"],
    ].join("|") +
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
  const found = new RegExp(`^( *)${declaration}\\b(.*?)\\{$.*?^\\1\\}`, "ms");
  if (!found.test(source)) throw new Error(`idiomorph has no ${declaration} any more: see client/build.js.`);
  return source.replace(found, (_, indent, head) => `${indent}${declaration}${head}${body}`);
}

/** Return the bundle without the white space of the style sheet in src/style.js. */
function withShortStyle(text) {
  return text.replace(/`@layer[^`]+`/, (style) => style.replace(/\s+/g, " ").replace(/ ?([{};:,]) ?/g, "$1"));
}

const [, , outfile, banner = ""] = process.argv;
const bundle = await build({
  entryPoints: [fileURLToPath(new URL("src/index.js", import.meta.url))],
  bundle: true,
  write: false,
  format: "iife",
  target: "es2022",
  legalComments: "none",
  drop: ["console"],
  plugins: [slimIdiomorph],
});
const { code } = await minify(withShortStyle(bundle.outputFiles[0].text), {
  ecma: 2020,
  // None of our getters does anything. Functions compress better than their bodies in several places.
  compress: { passes: 3, unsafe: true, unsafe_arrows: true, pure_getters: true, inline: 1 },
  mangle: { properties: { regex: INTERNAL } },
  format: { preamble: banner },
});
await writeFile(outfile, code);
