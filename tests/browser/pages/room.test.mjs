import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Announcer, Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { shape } from "../../../gateway/pages/docs.js";
import { welcome } from "./outside.mjs";

const path = "general";
const JOINED = { type: "joined", path, ticket: 7, state: "waiting", receipt: "r" };
const ADMITTED = { type: "admitted", path, admission: "aa", pass: "p", checkout_url: "https://shop/?p", now: 5000 };

let kept;
let standing;

beforeEach(() => {
  kept = new Map();
  standing = new Standing({ get: (key) => kept.get(key) ?? null, set: (key, value) => kept.set(key, value) });
});

function position(ahead, more = {}) {
  return { type: "position", path, ahead, of: 100, eta: [60, 120], rate: 60, now: 1_000_000, ...more };
}

function after(...frames) {
  for (const frame of frames) standing.take(frame);
  return standing.screen(1_000_000);
}

function scheduled(at) {
  const view = welcome();
  view.experience.paths[0] = { ...view.experience.paths[0], phase: "scheduled", opens_at: at };
  return view;
}

test("the way through a queue", () => {
  assert.equal(standing.screen(0).state, "connecting");
  assert.equal(after(welcome()).state, "joining");
  assert.equal(after(JOINED).state, "waiting");
  assert.equal(after(position(30)).ahead, 30);
  const admitted = after({ ...ADMITTED, expires_at: 65_000 });
  assert.deepEqual([admitted.state, admitted.ahead, admitted.expiresAt, admitted.checkoutUrl],
    ["admitted", null, 65_000, "https://shop/?p"]);
  assert.equal(after({ type: "ticket", path, state: "redeemed" }).expiresAt, 65_000);
  assert.equal(after({ type: "ticket", path, state: "completed" }).state, "completed");
});

test("a window that moves is measured from its beginning", () => {
  after(welcome(), JOINED, { ...ADMITTED, expires_at: 65_000 });
  const moved = after({ ...ADMITTED, now: 30_000, expires_at: 95_000 });
  assert.deepEqual([moved.windowFrom, moved.expiresAt], [5000, 95_000]);
});

test("the wait runs down between frames, the position does not", () => {
  after(welcome(), JOINED, position(30));
  const later = standing.screen(1_090_000);
  assert.deepEqual([later.ahead, later.eta], [30, [0, 30]]);
});

test("progress is measured from where this ticket was first seen, over reloads too", () => {
  after(welcome(), JOINED, position(99));
  assert.equal(after(position(49)).progress, 0.51);
  const again = new Standing({ get: (key) => kept.get(key) ?? null, set: (key, value) => kept.set(key, value) });
  for (const frame of [welcome(), JOINED, position(49)]) again.take(frame);
  assert.equal(again.screen(0).progress, 0.51);
});

const OPEN = { type: "phase", path, phase: "open", at: null };

test("coming back shows no hole, whether the gateway knows the ticket at once or not", () => {
  after(welcome(), JOINED, OPEN, position(30));
  for (const tickets of [[], [{ path, ticket: 7, state: "waiting" }]]) {
    const back = after(welcome({ tickets }));
    assert.deepEqual([back.state, back.ahead], ["waiting", 30]);
    assert.equal(after(JOINED, OPEN).ahead, 30);
  }
  const another = after(welcome({ tickets: [{ path, ticket: 8, state: "waiting" }] }));
  assert.equal(another.ahead, null);
});

test("a ticket that is not told before the phase is gone, but not while the engine is away", () => {
  after(welcome(), JOINED, OPEN, position(30), welcome());
  assert.equal(after({ ...OPEN, paused: "outage" }).state, "paused");
  assert.equal(standing.joinable, null);
  assert.equal(after(OPEN).state, "joining");
  assert.equal(standing.joinable.id, path);
});

test("a ticket that has ended stays to be seen", () => {
  const left = { type: "ticket", path, ticket: 7, state: "left", reason: "left" };
  assert.equal(after(welcome(), left, OPEN).state, "left");
  assert.equal(standing.joinable, null);
  assert.deepEqual([after({ ...JOINED, ticket: 9 }).state, standing.screen(0).ahead], ["waiting", null]);
});

test("a pause hides the wait, not the place", () => {
  const outage = { type: "phase", path, phase: "open", at: null, paused: "outage" };
  const paused = after(welcome(), JOINED, position(30), outage);
  assert.deepEqual([paused.state, paused.paused, paused.ahead, paused.eta], ["paused", "outage", 30, null]);
  assert.equal(after({ type: "phase", path, phase: "open", at: null }).state, "waiting");
});

const SOLD_OUT = { type: "sold_out", path, may_return: true };

test("sold out, until that is told to be over, whatever is in stock of something", () => {
  const stock = (band) => ({ type: "stock", product: "runner", variant: "42", band });
  assert.equal(after(welcome(), JOINED, OPEN, position(3), SOLD_OUT).state, "sold_out");
  assert.equal(after(stock("none")).state, "sold_out");
  assert.equal(after(stock("last")).state, "sold_out");
  assert.equal(after({ ...SOLD_OUT, may_return: false, over: true }).state, "waiting");
});

test("sold out, until whoever comes back is not told so any more", () => {
  assert.equal(after(welcome(), JOINED, OPEN, position(3), SOLD_OUT).state, "sold_out");
  assert.equal(after(welcome(), JOINED, { ...OPEN, paused: "outage" }, OPEN).state, "waiting");
  assert.equal(after(SOLD_OUT, OPEN).state, "sold_out");
});

test("a missed turn may be taken back", () => {
  const expired = after(welcome(), JOINED, { type: "ticket", path, ticket: 7, state: "expired", may_rejoin: true });
  assert.deepEqual([expired.state, expired.mayRejoin], ["expired", true]);
  const back = after({ type: "ticket", path, ticket: 7, state: "waiting" }, position(0, { why: "returned" }));
  assert.deepEqual([back.state, back.mayRejoin, back.why], ["waiting", false, "returned"]);
});

test("nobody is offered a way back into what has ended", () => {
  const offered = (...frames) => ((screen) => standing.focus.controls(screen))(after(...frames)).map(({ id }) => id);
  const expired = { type: "ticket", path, ticket: 7, state: "expired", may_rejoin: true };
  assert.deepEqual(offered(welcome(), JOINED, { ...OPEN, phase: "settling" }, expired), ["rejoin"]);
  assert.deepEqual(offered({ ...OPEN, phase: "ended" }), []);
  assert.equal(standing.screen(0).mayRejoin, false);
  assert.deepEqual(offered({ type: "ticket", path, ticket: 7, state: "left", reason: "left" }), []);
});

test("a lobby shows how many are there and nobody's place", () => {
  const phase = { ...OPEN, phase: "lobby", at: 2_000_000 };
  const lobby = after(welcome(), JOINED, phase, { type: "position", path, of: 12, now: 0 });
  assert.deepEqual([lobby.state, lobby.ahead, lobby.of, lobby.opensAt], ["lobby", null, 12, 2_000_000]);
  const opened = after({ ...OPEN }, position(3));
  assert.deepEqual([opened.state, opened.ahead, opened.faster], ["waiting", 3, 0]);
});

test("before the opening the countdown, whatever a join was told", () => {
  const early = after(scheduled(2_000_000), { type: "error", reason: "not_open", temporary: true, message: "" });
  assert.deepEqual([early.state, early.opensAt], ["scheduled", 2_000_000]);
  assert.equal(after({ type: "phase", path, phase: "open", at: null }).state, "joining");
});

test("refused at the door", () => {
  const refused = (reason) => after(welcome(), { type: "error", reason, temporary: false, message: "" }).state;
  assert.equal(refused("full"), "full");
  standing.forgetRefusal(path);
  assert.equal(standing.screen(0).state, "joining");
  assert.equal(refused("closed"), "closed");
  assert.equal(refused("needs_level"), "needs_level");
  assert.equal(after({ type: "phase", path, phase: "ended", at: null }, JOINED).state, "waiting");
});

test("of several tickets the one that is furthest on", () => {
  after(welcome(), JOINED, position(3), { type: "ticket", path: "other", ticket: 1, state: "lost" });
  assert.equal(standing.screen(0).path, path);
  assert.equal(after({ ...ADMITTED, path: "other", expires_at: 9 }).path, "other");
});

test("the end of the link", () => {
  after(welcome(), JOINED);
  standing.end("not_found");
  assert.equal(standing.screen(0).state, "gone");
  standing.end("not_eligible");
  assert.equal(standing.screen(0).state, "error");
});

test("every state has its words, and they never show a hole", () => {
  const blank = { ahead: null, of: null, rate: null, eta: null, opensAt: null, paused: null, reason: "" };
  const names = ["connecting", "joining", "scheduled", "lobby", "waiting", "paused", "sold_out", "admitted", "redeemed",
    "completed", "expired", "left", "lost", "refused", "full", "closed", "needs_level", "needs_code",
    "not_for_you", "limit", "open", "offered", "held", "booked", "gone", "error"];
  for (const state of names) {
    for (const text of Object.values(say.words({ ...blank, state }))) assert.doesNotMatch(text, /undefined|null|NaN/);
  }
  assert.equal(say.words({ ...blank, state: "waiting", ahead: 1234 }).title, "1,234 ahead");
});

test("a wait is an honest interval", () => {
  const said = [null, [0, 0], [3, 40], [30, 200], [240, 360], [290, 300], [3000, 5000], [100, 7300], [36_000, 47_000]];
  assert.deepEqual(said.map(say.wait), [
    "Not known yet",
    "Any moment now",
    "Less than a minute",
    "Up to 4 minutes",
    "About 4–6 minutes",
    "About 4–5 minutes",
    "About 50 min – 1 h 25 min",
    "Up to 2 h 5 min",
    "About 10 h – 13 h 5 min",
  ]);
});

test("clocks", () => {
  assert.deepEqual([0, -5, 7000, 59_001, 581_000, 3_723_000, 90_061_000, 180_000_000].map(say.clock),
    ["0:00", "0:00", "0:07", "1:00", "9:41", "1:02:03", "1 day 01:01:01", "2 days 02:00:00"]);
  assert.deepEqual([45_000, 600_000, 10_800_000].map(say.spoken), ["45 seconds", "10 minutes", "3 hours"]);
});

test("people, paces and prices", () => {
  assert.deepEqual([say.people(1), say.people(1200)], ["1 person", "1,200 people"]);
  assert.deepEqual([say.pace(60), say.pace(0), say.pace(60, true)], ["60 a minute", "Nobody just now", "Paused"]);
  assert.equal(say.price("129.00", "EUR"), "€129.00");
});

test("what moves the line is explained, and nothing else", () => {
  assert.match(say.whyWords("rate_changed", 1), /faster/);
  assert.match(say.whyWords("rate_changed", -1), /slowly/);
  for (const why of ["resumed", "passed_over", "returned"]) assert.notEqual(say.whyWords(why, 0), "");
  assert.equal(say.whyWords("", 0), "");
});

test("a lost link is told as a safe place", () => {
  const link = { phase: "waiting", transport: "socket", reason: "offline", retryAt: 9000 };
  assert.equal(say.linkWords(link, 1000), "No network, trying again in 8 s. Your place is safe");
  assert.match(say.linkWords({ ...link, reason: "connection_lost" }, 9000), /^Reconnecting\. Your place is safe$/);
  assert.equal(say.linkWords({ ...link, phase: "live" }, 0), "Live");
});

test("ears are spared: at once for what is new, else every twenty seconds", () => {
  const announcer = new Announcer();
  assert.equal(announcer.next("in line", "30 ahead", 0), "30 ahead");
  assert.equal(announcer.next("in line", "29 ahead", 19_999), null);
  assert.equal(announcer.next("in line", "29 ahead", 20_000), "29 ahead");
  assert.equal(announcer.next("in line", "29 ahead", 90_000), null);
  assert.equal(announcer.next("your turn", "Go", 90_001), "Go");
});

test("a schema is shown as its shape", () => {
  assert.equal(shape({ anyOf: [{ $ref: "#/components/schemas/A" }, { type: "null" }] }), "A | null");
  const a = { type: "integer", minimum: 0, description: "how many" };
  const properties = { a, b: { type: "array", items: { const: 1 } } };
  const said = "{\n  a: integer ≥ 0  // how many\n  b?: [1]\n}";
  assert.equal(shape({ type: "object", required: ["a"], properties }), said);
});
