import assert from "node:assert/strict";
import { test } from "node:test";
import { waitingTime } from "../src/backoff.js";
import { parseCall } from "../src/call.js";
import { directivesOf, isKey, nearest } from "../src/directives.js";
import { Outbox } from "../src/outbox.js";
import { takeTurn } from "../src/pace.js";
import { applySplices } from "../src/splices.js";
import { typed } from "../src/values.js";

test("splices are applied from the last to the first", () => {
  const splices = [
    [0, 1, "A-"],
    [2, 0, "!"],
    [3, 2, ""],
  ];
  assert.equal(applySplices("abcdef", splices), "A-b!cf");
  assert.equal(applySplices("same", []), "same");
});

test("offsets of splices count UTF-16 code units", () => {
  assert.equal(applySplices("😀x", [[2, 1, "y"]]), "😀y");
  assert.equal(applySplices("a😀b", [[1, 2, "é"]]), "aéb");
});

test("a text becomes another type only if it comes back as the same text", () => {
  for (const [text, value] of [
    ["true", true],
    ["false", false],
    ["0", 0],
    ["-3", -3],
    ["2.5", 2.5],
    ["9007199254740991", 9007199254740991],
  ]) {
    assert.strictEqual(typed(text), value);
  }
  for (const text of ["", "007", "1.50", "+1", " 1", "1e5", "0x10", "-0", "NaN", "Infinity", "True", "null", "1_000"]) {
    assert.strictEqual(typed(text), text);
  }
  // More digits than a number holds, and a fraction that Python writes with an exponent.
  for (const text of ["9007199254740993", "12345678901234567890123", "0.1000000000000000055", "0.00001"]) {
    assert.strictEqual(typed(text), text);
  }
});

test("a directive is a name or a call", () => {
  for (const [text, name, args] of [
    ["save", "save", []],
    [" save ", "save", []],
    ["save()", "save", []],
    ["set_period('month')", "set_period", ["month"]],
    [`set("a'b", 'c"d', 3, -1.5, true, false, null)`, "set", [`a'b`, `c"d`, 3, -1.5, true, false, null]],
    [String.raw`say('it\'s')`, "say", ["it's"]],
    ["say('a, b', '')", "say", ["a, b", ""]],
    ["say('(x)')", "say", ["(x)"]],
  ]) {
    assert.deepEqual(parseCall(text), { name, args });
  }
});

test("what is no call is refused", () => {
  for (const text of ["", "a b", "f(", "f(x)", "f('a' 'b')", "a.b()", "f('a', )"]) {
    assert.throws(() => parseCall(text), SyntaxError, text);
  }
});

test("the waiting time is anything below a bound that doubles", () => {
  const bound = (failures, code) => waitingTime(failures, code, () => 1);
  assert.deepEqual([0, 1, 2, 6, 100].map((failures) => bound(failures, 1006)), [500, 1000, 2000, 30000, 30000]);
  assert.equal(waitingTime(5, 1006, () => 0), 0);
  assert.equal(bound(0, 1012), 1000);
  assert.equal(bound(1, 1012), 1000);
  assert.equal(waitingTime(0, 4429, () => 0), 5000);
});

const sent = (outbox) => {
  const frames = [];
  while (outbox.hasNext) frames.push(outbox.next());
  return frames;
};
const numbers = (entries) => entries.map((entry) => (entry.frame ?? entry).n);

test("frames are numbered, sent once, and sent again on a new socket until they are acknowledged", () => {
  const outbox = new Outbox();
  for (const name of ["a", "b", "c"]) outbox.add({ t: "event", name }, {});
  assert.deepEqual(numbers(sent(outbox)), [1, 2, 3]);
  assert.equal(outbox.hasNext, false);
  assert.deepEqual(numbers(outbox.acknowledge(1)), [1]);
  outbox.add({ t: "event", name: "d" }, {});
  assert.deepEqual(numbers(sent(outbox)), [4]);
  outbox.rewind();
  assert.deepEqual(numbers(sent(outbox)), [2, 3, 4]);
  assert.deepEqual(numbers(outbox.acknowledge(3)), [2, 3]);
  assert.deepEqual(numbers(outbox.acknowledge(3)), []);
  assert.deepEqual(numbers(outbox.drop()), [4]);
  outbox.add({ t: "event", name: "e" }, {});
  assert.deepEqual(numbers(sent(outbox)), [5]);
});

test("what is acknowledged before it is sent on this socket is not sent", () => {
  const outbox = new Outbox();
  for (const name of ["a", "b", "c"]) outbox.add({ t: "event", name }, {});
  sent(outbox);
  outbox.acknowledge(2);
  outbox.rewind();
  assert.deepEqual(numbers(sent(outbox)), [3]);
});

test("of one field only the last value waits", () => {
  const outbox = new Outbox();
  const field = {};
  const first = { subject: field };
  assert.equal(outbox.add({ t: "model", value: "a" }, first), undefined);
  assert.equal(outbox.add({ t: "model", value: "ab" }, { subject: field }), first);
  assert.deepEqual(sent(outbox), [{ t: "model", value: "ab", n: 1 }]);
  outbox.add({ t: "model", value: "abc" }, { subject: field });
  outbox.add({ t: "event", name: "x" }, {});
  outbox.add({ t: "model", value: "abcd" }, { subject: field });
  assert.deepEqual(numbers(sent(outbox)), [2, 3, 4]);
});

test("a burst goes out at once, the rest at a pace below the server's", () => {
  const limits = { rate: 50, burst: 199 };
  let at = 1_000_000;
  for (let turn = 0; turn < 100; turn++) assert.equal(takeTurn(at, limits), 0);
  assert.equal(takeTurn(at, limits), 25);
  at += 25;
  assert.equal(takeTurn(at, limits), 0);
  assert.ok(takeTurn(at, limits) > 0);
});

test("even the least that a server can take lets a page speak", () => {
  const at = 2_000_000;
  assert.equal(takeTurn(at, { rate: 1, burst: 1 }), 0);
  assert.equal(takeTurn(at, { rate: 1, burst: 1 }), 1250);
  assert.equal(takeTurn(at + 1250, { rate: 1, burst: 1 }), 0);
});

/** As much of an element as directives look at. */
const element = (attributes, parentElement = null) => ({
  attributes: Object.entries(attributes).map(([name, value]) => ({ name, value })),
  parentElement,
});

test("directives are found with what their names say", () => {
  const button = element({ "dj-click": "a", "dj-keydown.ctrl.enter": "b", "dj-clicks": "c", "dj-loading.show": "" });
  assert.deepEqual(
    directivesOf(button).map(({ kind, value, parts }) => [kind, value, parts]),
    [
      ["click", "a", []],
      ["keydown", "b", ["ctrl", "enter"]],
    ],
  );
  assert.equal(directivesOf(button, "model|click").length, 1);
});

test("the nearest directive that fits is taken", () => {
  const form = element({ "dj-change": "form" });
  const inner = element({ "dj-keydown.enter": "inner" }, form);
  assert.equal(nearest(inner, "change").value, "form");
  assert.equal(nearest(inner, "keydown|change").value, "inner");
  assert.equal(nearest(inner, "keydown", () => false), undefined);
  assert.equal(nearest({}, "click"), undefined);
});

test("keys have the names of the template", () => {
  const press = (key, more = {}) => ({ key, ctrlKey: false, altKey: false, shiftKey: false, metaKey: false, ...more });
  assert.ok(isKey(press("a"), []));
  assert.ok(isKey(press("Enter"), ["enter"]));
  assert.ok(isKey(press("Escape"), ["escape"]) && isKey(press("Escape"), ["esc"]));
  assert.ok(isKey(press(" "), ["space"]));
  assert.ok(isKey(press("ArrowUp"), ["arrowup"]));
  assert.ok(!isKey(press("Enter"), ["escape"]));
  assert.ok(isKey(press("Enter"), ["enter", "debounce-100"]));
  assert.ok(!isKey(press("b"), ["ctrl", "b"]) && isKey(press("b", { ctrlKey: true }), ["ctrl", "b"]));
});
