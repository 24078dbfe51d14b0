import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { checking } from "../../../gateway/pages/draw_check.js";
import { settle } from "../../../gateway/pages/draw_order.js";
import { sha256 } from "../../../gateway/pages/sha256.js";

function answerOf(text) {
  const check = checking(text);
  let step = check.next();
  while (!step.done) step = check.next();
  return step.value;
}

test("our SHA-256 is SHA-256, whatever the length and however it is cut", () => {
  for (let length = 0; length < 200; length += 1) {
    const bytes = Uint8Array.from({ length }, (_, at) => (at * 7 + length) % 256);
    const expected = createHash("sha256").update(bytes).digest();
    assert.deepEqual(Buffer.from(sha256(bytes)), expected);
    assert.deepEqual(Buffer.from(sha256(bytes.subarray(0, 5), bytes.subarray(5))), expected);
  }
});

test("keys that agree in their first bytes are settled by the whole key, then by ticket", () => {
  const order = Uint32Array.of(5, 3, 1, 0, 2, 4);
  const keys = { 3: [2, 0], 1: [1, 9], 0: [-1, 0], 2: [7, 7], 4: [7, 7] };
  const group = [0, 1, 1, 2, 2, 2];
  const groups = new Map([...order].map((ticket, place) => [ticket, group[place]]));
  settle(order, (a, b) => groups.get(a) === groups.get(b), (ticket) => Int32Array.from(keys[ticket]));
  assert.deepEqual([...order], [5, 1, 3, 2, 4, 0]); // -1 is the greatest word
});

test("what is no proof fails as a document", () => {
  for (const text of ["", "{}", "[]", "null", '{"rule": 1}']) {
    const answer = answerOf(text);
    assert.equal(answer.verdict, "fails");
    assert.equal(answer.findings[0].field, "document");
  }
});
