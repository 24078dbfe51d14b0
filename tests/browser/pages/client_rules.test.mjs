import assert from "node:assert/strict";
import { test } from "node:test";

import * as rules from "../../../gateway/pages/client_rules.js";

test("a first reset is tried again within 100 to 500 ms", () => {
  assert.equal(rules.backoffMs(1, () => 0), 100);
  assert.equal(rules.backoffMs(1, () => 1), 500);
});

test("after that the delay is drawn from zero to a bound that doubles up to the cap", () => {
  const bounds = [2, 3, 4, 5, 6, 7, 50, 5000].map((failures) => rules.backoffMs(failures, () => 1));
  assert.deepEqual(bounds, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000, 15_000]);
  assert.equal(rules.backoffMs(9, () => 0), 0);
});

test("close codes", () => {
  const codes = [1000, 1001, 1006, 1009, 1012, 4401, 4403, 4404, 4503, 4508, 4529, 4600];
  const table = Object.fromEntries(codes.map((code) => [code, rules.endOfSocket(code).then]));
  assert.deepEqual(table, {
    1000: "retry",
    1001: "return",
    1006: "retry",
    1009: "retry",
    1012: "return",
    4401: "session",
    4403: "stop",
    4404: "stop",
    4503: "retry",
    4508: "retry",
    4529: "retry",
    4600: "retry",
  });
});

test("answers over HTTP", () => {
  assert.equal(rules.endOfAnswer(200), null);
  assert.equal(rules.endOfAnswer(401).then, "session");
  assert.equal(rules.endOfAnswer(403).then, "stop");
  assert.deepEqual(rules.endOfAnswer(404), { then: "stop", reason: "not_found" });
  assert.deepEqual(rules.endOfAnswer(503, "7"), { then: "retry", reason: "busy", afterMs: 7000 });
  assert.deepEqual(rules.endOfAnswer(429, "soon"), { then: "retry", reason: "busy" });
  assert.deepEqual(rules.endOfAnswer(500), { then: "retry", reason: "engine_away" });
});

test("the clock is unknown before the first sample", () => {
  assert.equal(new rules.Clock().offset, null);
});

test("a stamp alone is a lower bound: of several the quickest counts", () => {
  const clock = new rules.Clock();
  clock.sample(1_000_300, 1000); // 700 ms late
  clock.sample(1_001_990, 2000); // 10 ms late
  clock.sample(1_002_000, 2900); // 900 ms late
  assert.equal(clock.offset, 999_990);
});

test("a round trip bounds the offset from both sides, and a smaller one narrows it", () => {
  const clock = new rules.Clock();
  clock.sample(1_000_500, 1000, 0); // offset between 999 500 and 1 000 500
  assert.equal(clock.offset, 1_000_000);
  clock.sample(1_002_030, 2040, 2000); // between 999 990 and 1 000 030
  assert.equal(clock.offset, 1_000_010);
  clock.sample(1_003_400, 4000, 3000); // a slow one changes nothing
  assert.equal(clock.offset, 1_000_010);
});

test("a sample that cannot be means that a clock moved", () => {
  const clock = new rules.Clock();
  clock.sample(1_000_010, 20, 0);
  clock.sample(1_600_000, 100); // our clock stood still for ten minutes
  assert.equal(clock.offset, 1_599_900);
  clock.sample(1_500_010, 220, 200);
  assert.equal(clock.offset, 1_499_800);
});

test("an event stream in any pieces", () => {
  const text = 'id: 1-2\nevent: message\ndata: {"a":\ndata: 1}\n\n: keep-alive\n\ndata:{"b":2}\r\n\r\n';
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new rules.EventReader();
    const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g"));
    assert.deepEqual(pieces.flatMap((piece) => reader.feed(piece)), ['{"a":\n1}', '{"b":2}'], `pieces of ${size}`);
  }
});
