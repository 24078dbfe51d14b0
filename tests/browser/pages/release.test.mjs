import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { welcome } from "./outside.mjs";

const OPENS_AT = 2_000_000;
const NOW = 1_000_000;
const OPEN = { type: "phase", path: "drop", phase: "open", at: null, now: NOW };
const MINE = { path: "drop", ticket: 3 };
const LISTED = { type: "joined", path: "list", ticket: 1, state: "waiting", receipt: "r" };
const OFFER = { type: "offer", path: "list", offer: "aa", claim_by: NOW + 60_000, now: NOW };

let standing;

beforeEach(() => {
  standing = new Standing({ get: () => null, set: () => {} });
});

/** A release and its waitlist as a `welcome` shows them. */
function view(focus = "drop") {
  const said = welcome();
  const [shown] = said.experience.paths;
  const times = { opens_at: OPENS_AT, closes_at: null };
  said.experience.paths = [
    { ...shown, ...times, id: "drop", kind: "timed_release", phase: "lobby" },
    { ...shown, opens_at: null, id: "list", kind: "waitlist", phase: "open", attached_to: "drop" },
  ];
  standing.choose(focus);
  return said;
}

function at(now, ...frames) {
  for (const frame of frames) standing.take(frame);
  return standing.screen(now);
}

function controls(screen) {
  return standing.focus.kind.controls(screen).map(({ label, disabled }) => (disabled ? `${label} (not yet)` : label));
}

function words(screen) {
  return say.words(screen, standing.focus.kind.constructor.WORDS);
}

test("the button works from the exact instant on, before any frame says so", () => {
  const before = at(OPENS_AT - 1, view());
  assert.deepEqual([before.state, before.releasedAt, controls(before)], ["countdown", OPENS_AT, ["Claim yours (not yet)"]]);
  const there = at(OPENS_AT);
  assert.deepEqual([there.state, controls(there)], ["claimable", ["Claim yours"]]);
  assert.equal(at(NOW, { ...OPEN, now: NOW }).state, "claimable"); // opened by hand
  assert.equal(at(NOW, { ...OPEN, paused: "merchant" }).state, "on_hold");
  assert.equal(standing.joinable, null);
});

test("before its lobby a release counts down to the opening, not to the lobby", () => {
  const said = view();
  said.experience.paths[0].phase = "scheduled";
  const before = at(NOW, said, { type: "phase", path: "drop", phase: "scheduled", at: NOW + 5, now: NOW });
  assert.deepEqual([before.state, before.releasedAt], ["countdown", OPENS_AT]);
});

test("a claim in line, a turn, and a turn that is taken back", () => {
  at(NOW, view(), OPEN, { type: "joined", ...MINE, state: "waiting", receipt: "r" });
  const claimed = at(NOW, { type: "ticket", ...MINE, state: "waiting", claimed: true });
  assert.deepEqual([claimed.state, controls(claimed)], ["claimed", []]);
  const expired = at(NOW, { type: "ticket", ...MINE, state: "expired", may_rejoin: true });
  assert.deepEqual([expired.state, controls(expired)], ["expired", ["Have my turn back"]]);
  assert.equal(at(NOW, { type: "ticket", ...MINE, state: "waiting", claimed: true }).state, "claimed");
  const lost = at(NOW, { type: "ticket", ...MINE, state: "lost", reason: "sold_out" });
  assert.deepEqual([lost.state, words(lost).title, controls(lost)], ["lost", "Sold out", []]);
});

test("whoever only looks on learns that it is sold out", () => {
  const missed = at(NOW, view(), OPEN, { type: "sold_out", path: "drop", may_return: false, now: NOW });
  assert.deepEqual([missed.state, controls(missed)], ["missed", []]);
  assert.equal(at(NOW, { ...OPEN, phase: "settling" }).state, "missed");
  const over = { type: "sold_out", path: "drop", may_return: false, over: true, now: NOW };
  const again = at(NOW, { type: "error", path: "drop", reason: "sold_out" }, OPEN, over);
  assert.deepEqual([again.state, controls(again)], ["claimable", ["Claim yours"]]);
});

test("an offer is taken or passed on, and its time is shown", () => {
  const listed = at(NOW, view("list"), LISTED, { ...OPEN, path: "list" });
  assert.deepEqual([listed.state, controls(listed)], ["listed", ["Leave the waitlist"]]);
  const offered = at(NOW, OFFER);
  assert.deepEqual([offered.state, offered.claimBy, controls(offered)], ["offered", NOW + 60_000, ["Take it", "Pass"]]);
  assert.equal(standing.focus.kind.controls(offered)[0].frame.offer, "aa");
  const claimed = at(NOW, { type: "ticket", path: "list", ticket: 1, state: "offered", claimed: true });
  assert.deepEqual([claimed.state, controls(claimed)], ["claimed", []]);
  const over = at(NOW, { type: "ticket", path: "list", ticket: 1, state: "expired", reason: "not_claimed" });
  assert.deepEqual([words(over).title, controls(over)], ["Offer over", ["Join the waitlist again"]]);
});

test("what is offered to all is gone, and comes back", () => {
  const shared = { ...OFFER, reserved: false };
  assert.match(words(at(NOW, view("list"), LISTED, shared)).message, /Everybody/);
  const late = at(NOW, { ...shared, gone: true });
  assert.deepEqual([late.state, controls(late)], ["late", ["Pass"]]);
  assert.equal(at(NOW, shared).state, "offered");
});

test("the opening of what one waits for is shown until the turn comes", () => {
  const opened = at(NOW, view("list"), LISTED, { type: "announced", path: "list", source: "drop", now: NOW });
  assert.deepEqual([opened.state, opened.opened], ["listed", "drop"]);
});
