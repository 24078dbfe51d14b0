import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { bidHint, factWords, figureWords } from "../../../gateway/pages/kinds/auction_words.js";
import { Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { welcome } from "./outside.mjs";

const path = "sale";
const NOW = 1_000_000;
const OPEN = { type: "phase", path, phase: "open", at: NOW + 90_000, now: 0 };
const JOINED = { type: "joined", path, ticket: 4, state: "waiting", receipt: "r" };
const HIGH = { type: "high_bid", path, currency: "EUR", closes_at: NOW + 60_000, now: NOW, amount: "16.00", bids: 2,
  min_next: "17.00", reserve_met: false, extensions: 0 };
const DUTCH = { type: "high_bid", path, currency: "EUR", closes_at: null, now: NOW, price: "30.00",
  next_drop_at: NOW + 7_000, left: 2 };
const ADMITTED = { type: "admitted", path, admission: "aa", expires_at: 9e6, checkout_url: "https://s/", now: 0,
  price: "30.00" };

let standing;

beforeEach(() => {
  standing = new Standing({ get: () => null, set: () => {} });
});

function view(details = { style: "english", currency: "EUR", start_price: "10.00" }) {
  const said = welcome();
  said.experience.paths = [{ ...said.experience.paths[0], id: path, kind: "auction", phase: "open", details }];
  return said;
}

function after(...frames) {
  for (const frame of frames) standing.take(frame);
  return standing.screen(NOW);
}

function status(word, more = {}) {
  return { type: "bid_status", path, status: word, max: "20.00", price: "16.00", ...more };
}

function controls(screen) {
  return standing.focus.kind.controls(screen).map(({ label, frame }) => [label, frame.type]);
}

function words(screen) {
  return say.words(screen, standing.focus.kind.constructor.WORDS);
}

function facts(screen) {
  return Object.fromEntries(factWords(screen).map(({ key, value }) => [key, value]));
}

test("nobody joins: a bid takes the ticket", () => {
  const open = after(view(), OPEN, { ...HIGH, amount: null, bids: 0, min_next: "10.00" });
  assert.deepEqual([open.state, controls(open), figureWords(open)],
    ["open", [], { figure: "€10.00", label: "to begin with" }]);
  assert.equal(standing.joinable, null);
});

test("leading, outbid, and the reserve that is met", () => {
  after(view(), OPEN, JOINED, HIGH);
  const leading = after(status("leading"));
  assert.deepEqual([leading.state, words(leading).title, figureWords(leading)],
    ["leading", "Leading at €16.00", { figure: "€16.00", label: "with 2 bids" }]);
  assert.match(bidHint(leading), /^More than €20.00\. Nobody/);
  const driven = after({ ...HIGH, amount: "19.00", min_next: "20.50" });
  assert.match(words(driven).message, /^As it stands you pay €19.00\./);
  assert.match(bidHint(driven), /^At least €20.50\. Nobody/);
  assert.deepEqual(facts(leading), { "Ends in": "1:00", Reserve: "not met yet", "Your maximum": "€20.00" });
  const outbid = after(status("outbid"), { ...HIGH, amount: "40.00", reserve_met: true, extensions: 2 });
  assert.deepEqual([outbid.state, facts(outbid).Reserve, facts(outbid).Extended], ["outbid", "met", "2 times"]);
  assert.deepEqual(controls(outbid), []);
  const paused = after({ ...OPEN, paused: "merchant" });
  assert.deepEqual([paused.state, words(paused).headline, facts(paused)["Ends in"]],
    ["outbid", "The auction is paused", "on hold"]);
});

test("a bid that a failure has lost is not believed in any more", () => {
  after(view(), OPEN, JOINED, HIGH, status("leading"));
  const back = after({ type: "ticket", path, ticket: 4, state: "waiting", reason: "failover" }, JOINED, HIGH);
  assert.deepEqual([back.state, back.maximum, back.why], ["open", null, "failover"]);
  assert.equal(after(status("leading")).state, "leading", "what still holds is told again");
});

test("without a reserve nothing is said of one", () => {
  assert.equal(facts(after(view(), OPEN, { ...HIGH, reserve_met: undefined })).Reserve, undefined);
});

test("the hammer: the winner pays the price, the others hear it", () => {
  after(view(), OPEN, JOINED, HIGH, status("leading"));
  const won = after({ ...OPEN, phase: "settling", at: null }, status("won", { price: "30.00" }));
  assert.deepEqual([won.state, facts(won)], ["won", { "You pay": "€30.00", "Your maximum": "€20.00" }]);
  const admitted = after(ADMITTED);
  assert.deepEqual([admitted.state, facts(admitted)["You pay"]], ["admitted", "€30.00"]);
  const lost = after({ type: "ticket", path, ticket: 4, state: "lost", reason: "outbid" }, status("lost"));
  assert.deepEqual([lost.state, words(lost).headline, facts(lost)["Hammer price"]],
    ["lost", "You did not win", "€16.00"]);
});

test("who only watched hears whether it was sold", () => {
  const closed = after(view(), HIGH, { ...OPEN, phase: "settling", at: null });
  assert.deepEqual([closed.state, words(closed).message], ["closed", "The reserve was not reached, so nobody has won."]);
});

test("a second chance is taken or passed on", () => {
  after(view(), OPEN, JOINED, HIGH, status("leading"));
  const hoping = after({ ...OPEN, phase: "settling", at: null }, status("lost"));
  assert.equal(hoping.state, "hoping");
  const offered = after({ type: "offer", path, offer: "ab", claim_by: NOW + 30_000, now: NOW, price: "20.00" });
  assert.deepEqual([offered.state, controls(offered)],
    ["offered", [["Take it", "claim"], ["I don’t want it any more", "decline"]]]);
  assert.deepEqual([figureWords(offered).figure, facts(offered)["Take it within"]], ["€20.00", "0:30"]);
  assert.equal(after(ADMITTED).state, "admitted");
});

test("a Dutch price falls until it is taken", () => {
  const details = { style: "dutch", currency: "EUR", start_price: "30.00" };
  const open = after(view(details), OPEN, DUTCH);
  assert.deepEqual([open.state, controls(open), facts(open)],
    ["open", [["Take it for €30.00", "claim"]], { "Next drop in": "0:07", Left: "2" }]);
  assert.deepEqual(standing.focus.kind.controls(open)[0].frame, { type: "claim", price: "30.00" });
  const floor = after({ ...DUTCH, price: "10.00", next_drop_at: undefined, left: 1 });
  assert.equal(words(floor).message, "This is the lowest it gets. Whoever takes it first has it.");
  assert.deepEqual(controls(after({ ...OPEN, paused: "outage" })), []);
  assert.deepEqual(controls(after(OPEN, { ...DUTCH, left: 0 })), []);
  assert.equal(words({ ...floor, state: "closed", left: 0 }).message, "Everything is taken.");
  assert.equal(words({ ...floor, state: "closed" }).message, "Its time is over.");
  const won = after(JOINED, status("won", { price: "10.00", max: undefined }));
  assert.deepEqual([won.state, words(won).headline], ["won", "It is yours"]);
});
