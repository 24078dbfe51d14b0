import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { clockWords, factWords } from "../../../gateway/pages/kinds/draw_words.js";
import { Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { welcome } from "./outside.mjs";

const path = "vip";
const DRAW_AT = 2_000_000;
const JOINED = { type: "joined", path, ticket: 4, state: "waiting", receipt: "r", draw_at: DRAW_AT };
const CLOSED = { type: "phase", path, phase: "settling", at: null, now: 0 };
const RESULT = { type: "draw_result", path, proof: "/proof", winners: 2, entrants: 9 };
const ADMITTED = { type: "admitted", path, admission: "aa", expires_at: 9e6, checkout_url: "https://s/", now: 0 };
const BEACON = { source: "drand:aa", round: 7 };

let standing;

beforeEach(() => {
  standing = new Standing({ get: () => null, set: () => {} });
});

/** A draw as a `welcome` shows it. */
function view(more = {}) {
  const said = welcome();
  const times = { opens_at: null, closes_at: 1_900_000, draw_at: DRAW_AT };
  const draw = { ...said.experience.paths[0], id: path, kind: "draw", details: { winner_count: 2 }, commitment: "c" };
  said.experience.paths = [{ ...draw, ...times, ...more }];
  return said;
}

function after(...frames) {
  for (const frame of frames) standing.take(frame);
  return standing.screen(1_000_000);
}

function controls(screen) {
  return standing.focus.kind.controls(screen).map(({ label }) => label);
}

function words(screen) {
  return say.words(screen, standing.focus.kind.constructor.WORDS);
}

test("entering, and withdrawing while entries are open", () => {
  const open = after(view(), { ...CLOSED, phase: "open", at: 1_900_000 });
  assert.deepEqual([open.state, open.closesAt, open.drawAt, controls(open)],
    ["open", 1_900_000, DRAW_AT, ["Enter the draw"]]);
  assert.equal(standing.joinable, null); // nobody enters without meaning it
  const entered = after(JOINED);
  assert.deepEqual([entered.state, entered.drawn, controls(entered)], ["entered", false, ["Withdraw my entry"]]);
  const left = after({ type: "ticket", path, ticket: 4, state: "left", reason: "left" });
  assert.deepEqual([words(left).headline, controls(left)], ["You have withdrawn", ["Enter the draw again"]]);
  assert.deepEqual(controls(after(CLOSED)), []);
});

test("closed, then drawn", () => {
  after(view(), JOINED);
  const sealed = after(CLOSED);
  assert.deepEqual([sealed.state, controls(sealed)], ["sealed", []]);
  assert.equal(standing.screen(DRAW_AT).state, "drawing");
  assert.match(words(standing.screen(DRAW_AT)).headline, /being made/);
  after({ ...CLOSED, paused: "merchant" });
  assert.equal(words(standing.screen(DRAW_AT)).title, "On hold");
  for (const state of ["entered", "sealed", "drawing"]) {
    assert.match(words({ ...sealed, state, paused: "outage" }).message, /Your entry is safe/);
  }
});

test("a draw that names a beacon says what it waits for", () => {
  after(view({ details: { winner_count: 2, beacon: BEACON } }), JOINED, CLOSED);
  const drawing = standing.screen(DRAW_AT);
  assert.equal(words(drawing).headline, "Waiting for the beacon");
  assert.match(words(drawing).message, /round 7/);
});

test("won: a turn comes, and is the window of any path", () => {
  const won = after(view(), JOINED, CLOSED, { ...RESULT, won: true, place: 1 });
  assert.deepEqual([won.state, won.drawn, won.result.place], ["won", true, 1]);
  const admitted = after(ADMITTED);
  assert.deepEqual([admitted.state, words(admitted).title, controls(admitted)],
    ["admitted", "You won", ["I don’t want it any more"]]);
  assert.equal(words(after({ type: "ticket", path, ticket: 4, state: "left", reason: "declined" })).title, "Passed on");
});

test("not won: the reserve, and then up, or nothing", () => {
  const reserve = after(view(), JOINED, CLOSED, { ...RESULT, won: false, reserve: true });
  assert.deepEqual([reserve.state, reserve.drawn, controls(reserve)], ["reserve", true, []]);
  assert.equal(after({ ...RESULT, won: true }, ADMITTED).state, "admitted");
});

test("not drawn", () => {
  const lost = after(view(), JOINED, CLOSED, { ...RESULT, won: false, reserve: false },
    { type: "ticket", path, ticket: 4, state: "lost", reason: "not_drawn" });
  assert.deepEqual([lost.state, lost.drawn, words(lost).title], ["lost", true, "Not drawn"]);
  const ended = { type: "ticket", path, ticket: 4, state: "lost", reason: "ended" };
  assert.equal(words(after(ended)).title, "Ended");
});

test("a result goes with its ticket", () => {
  after(view(), JOINED, CLOSED, { ...RESULT, won: false, reserve: true }, view());
  assert.equal(standing.screen(0).state, "reserve"); // coming back shows no hole
  assert.equal(after({ ...JOINED, ticket: 5 }).result, null);
});

test("what is known of it", () => {
  const open = after(view());
  assert.deepEqual(factWords(open, 0).map(({ key }) => key), ["Winners", "Drawn"]);
  const won = after(JOINED, CLOSED, { ...RESULT, won: true, place: 1 });
  assert.deepEqual(factWords(won, 0), [
    { key: "Winners", value: "2" },
    { key: "Entries", value: "9" },
    { key: "Drawn as", value: "number 1" },
  ]);
  assert.match(clockWords("open", DRAW_AT, 0), /^until entries close, \w+day /);
  assert.match(clockWords("sealed", 30 * 86_400_000, 0), /^until the draw, .*January/);
  assert.equal(clockWords("sealed", null, 0), "until the draw");
});
