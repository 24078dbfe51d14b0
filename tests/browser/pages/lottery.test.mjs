import assert from "node:assert/strict";
import { test } from "node:test";

import { LotteryCheck } from "../../../gateway/pages/kinds/lottery_check.js";
import { checkWords } from "../../../gateway/pages/kinds/lottery_words.js";

const BEACON = { source: "drand:aa", round: 7 };
const ANSWER = { findings: [], unproven: null, beacon: null, own: null };

function verdict(answer) {
  return checkWords({ state: "idle", done: 0, total: 0, answer: { ...ANSWER, ...answer } });
}

test("the check says what it found, and what it cannot know", () => {
  assert.match(verdict({ verdict: "ok" }).verdict, /^It matches.*no public beacon.*could have known/);
  assert.match(verdict({ verdict: "ok", beacon: BEACON }).verdict, /^It matches.*round 7/);
  const fails = verdict({ verdict: "fails", findings: [{ field: "root", what: "says a" }] });
  assert.match(fails.verdict, /^It does not match/);
  assert.deepEqual(fails.findings, [{ key: "root", text: "root: says a" }]);
  assert.match(verdict({ verdict: "unproven", beacon: BEACON, unproven: "no known chain" }).verdict, /chain\. Whoever/);
  assert.match(verdict({ verdict: "undrawn" }).verdict, /nothing has been drawn/);
});

test("the own ticket, counted from one", () => {
  const own = (part) => verdict({ verdict: "ok", own: { ticket: 4, hats: 1, place: 0, ...part } }).verdict;
  assert.match(own({}), /Your ticket \(number 5\) was in the hat with one lot\.$/);
  assert.match(own({ hats: 3, place: 2 }), /with 3 lots and was drawn as number 2\.$/);
  assert.match(own({ hats: 0 }), /was not in the hat/);
});

test("how far it is", () => {
  const running = { state: "running", done: 0, total: 0, answer: null };
  assert.equal(checkWords(running).verdict, "Drawing again in your browser…");
  assert.match(checkWords({ ...running, done: 1000, total: 5000 }).verdict, /…  ?1,000 of 5,000$/);
  assert.equal(checkWords({ ...running, state: "idle" }).verdict, "");
});

test("a path promises an order by what it is committed to, and the first that is heard counts", () => {
  const check = new LotteryCheck({ id: "vip", ticket: null });
  check.viewed({});
  assert.equal(check.promises, false);
  check.viewed({ commitment: "aa" });
  assert.equal(check.promises, true);
});

test("a proof that cannot be had is no verdict", async () => {
  const check = new LotteryCheck({ id: "vip", ticket: null });
  let painted = 0;
  await check.run({ experience: "demo", soon: () => (painted += 1) }); // no origin here: no address to fetch
  assert.deepEqual([check.state, check.answer.verdict, painted], ["idle", "unread", 2]);
});
