import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Slots } from "../../../gateway/pages/kinds/appointment_slots.js";
import { slotWords, zoneWords } from "../../../gateway/pages/kinds/appointment_words.js";
import { Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { welcome } from "./outside.mjs";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Slots as the server names them, from the first of these instants on, each half an hour long. */
function slots(...starts) {
  return starts.map((at) => {
    const start = Date.parse(at);
    return { id: at, start, end: start + 30 * MINUTE_MS, location: "Berlin Mitte", free: 1 };
  });
}

/** Every half hour from one instant until another. */
function halfHours(from, until) {
  const starts = [];
  for (let at = Date.parse(from); at < Date.parse(until); at += HOUR_MS / 2) starts.push(new Date(at).toISOString());
  return slots(...starts);
}

function shown(zone, own, ...found) {
  const known = new Slots(own, "en-GB");
  known.zone = zone;
  known.take({ slots: found, since: 0, until: null });
  return known;
}

test("times are those of the place, and one's own where they differ", () => {
  const known = shown("Europe/Berlin", "America/New_York", ...slots("2026-12-01T04:30:00Z", "2026-12-01T09:00:00Z"));
  assert.deepEqual(known.days(0).map(({ day, free }) => [day, free]), [["2026-12-01", 2]]);
  const [early, ten] = known.of("2026-12-01", 0);
  assert.deepEqual([ten.time, ten.own], ["10:00", "04:00"]);
  assert.deepEqual([early.time, early.own], ["05:30", "23:30 Mon"]);
  assert.deepEqual(known.when(ten), { there: "Tuesday 1 December, 10:00", own: "Tuesday 1 December at 04:00" });
  const [same] = shown("Europe/Berlin", "Europe/Paris", ...slots("2026-12-01T09:00:00Z")).of("2026-12-01", 0);
  assert.equal(same.own, null);
  assert.match(zoneWords("America/New_York", "Europe/Berlin", false), /New York.*your own time \(Europe\/Berlin\)/);
  assert.doesNotMatch(zoneWords("Europe/Berlin", "Europe/Paris", true), /Paris/);
});

test("an hour that does not exist has no times", () => {
  // Berlin, 29 March 2026: after 01:59:59 comes 03:00:00. New York, 8 March 2026: likewise.
  const berlin = shown("Europe/Berlin", "Europe/Berlin", ...halfHours("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"));
  assert.deepEqual(berlin.of("2026-03-29", 0).map(({ time }) => time), ["01:00", "01:30", "03:00", "03:30"]);
  const york = shown("America/New_York", "America/New_York", ...halfHours("2026-03-08T06:00:00Z", "2026-03-08T08:00:00Z"));
  assert.deepEqual(york.of("2026-03-08", 0).map(({ time }) => time), ["01:00", "01:30", "03:00", "03:30"]);
});

test("an hour that comes twice has both, and each says which", () => {
  const berlin = shown("Europe/Berlin", "UTC", ...halfHours("2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z"));
  assert.deepEqual(
    berlin.of("2026-10-25", 0).map(({ time }) => time),
    ["01:30", "02:00 CEST", "02:30 CEST", "02:00 CET", "02:30 CET", "03:00"],
  );
  const york = shown("America/New_York", "UTC", ...halfHours("2026-11-01T04:30:00Z", "2026-11-01T07:30:00Z"));
  const times = york.of("2026-11-01", 0).map(({ time }) => time);
  assert.deepEqual([times.length, new Set(times).size], [6, 6]);
  assert.deepEqual([times[0], times[5]], ["00:30", "02:00"]);
  assert.match(times[1], /^01:00 /);
});

test("changed slots alone are told, a whole stretch says what is no more, and what has begun is not shown", () => {
  const known = shown("UTC", "UTC", ...slots("2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z", "2026-12-02T09:00:00Z"));
  known.take({ slots: [{ ...slots("2026-12-01T09:00:00Z")[0], free: 0 }] });
  assert.deepEqual(known.days(0).map(({ free }) => free), [1, 1]);
  known.take({ slots: slots("2026-12-01T11:00:00Z"), since: 0, until: Date.parse("2026-12-02T00:00:00Z") });
  assert.deepEqual(known.of("2026-12-01", 0).map(({ time }) => time), ["11:00"]);
  assert.equal(known.days(0).length, 2);
  assert.equal(known.days(Date.parse("2026-12-01T11:00:00Z")).length, 1);
  known.take({ slots: [], since: Date.parse("2026-12-02T00:00:00Z"), until: null });
  assert.equal(known.find("2026-12-02T09:00:00Z"), null);
});

test("what is said of a time says what it is", () => {
  const [slot] = shown("Europe/Berlin", "UTC", ...slots("2026-12-01T09:00:00Z")).of("2026-12-01", 0);
  assert.equal(slotWords(slot, false), "10:00, 09:00 your time, last place");
  assert.equal(slotWords({ ...slot, free: 0, own: null }, true), "10:00, yours");
});

// --- the kind ---

const NINE = "2026-12-01T09:00:00Z";
const TEN = "2026-12-01T10:00:00Z";
const NOW = Date.parse(NINE) - 24 * HOUR_MS;
let standing;

beforeEach(() => {
  standing = new Standing({ get: () => null, set: () => {} });
  const said = welcome();
  const details = { time_zone: "Europe/Berlin", cancel_cutoff_minutes: 60 };
  said.experience.paths = [{ ...said.experience.paths[0], id: "fitting", kind: "appointment", details }];
  standing.take(said);
  told("slots", { slots: slots(NINE, TEN), since: 0, until: null, now: NOW });
  told("phase", { phase: "open", at: null, now: NOW });
});

function told(type, fields) {
  standing.take({ type, path: "fitting", ...fields });
}

const screen = (now = NOW) => standing.screen(now);
const controls = (now = NOW) => standing.focus.kind.controls(screen(now)).map(({ id }) => id);
const headline = () => say.words(screen(), standing.focus.kind.constructor.WORDS).headline;

test("choosing, holding, booking, coming", () => {
  assert.deepEqual([screen().state, standing.joinable, controls()], ["open", null, []]);
  assert.deepEqual(screen().times.map(({ time }) => time.slice(0, 5)), ["10:00", "11:00"]);
  told("joined", { ticket: 3, state: "held" });
  told("held", { slot: NINE, hold_expires_at: NOW + 600_000, now: NOW });
  assert.deepEqual([screen().state, screen().holdUntil - NOW, screen().own], ["held", 600_000, NINE]);
  assert.deepEqual(controls(), ["book", "release"]);
  told("booked", { slot: NINE, confirmation: "K7" });
  assert.deepEqual([screen().state, screen().confirmation, screen().canChange], ["booked", "K7", true]);
  assert.match(screen().when.there, /10:00/);
  assert.deepEqual(controls(), ["cancel"]);
  const late = Date.parse(NINE) - 30 * MINUTE_MS;
  assert.deepEqual([screen(late).canChange, controls(late)], [false, []]);
  told("ticket", { ticket: 3, state: "completed" });
  assert.equal(screen().state, "completed");
});

test("a time that is paid for first is kept until then", () => {
  told("joined", { ticket: 0, state: "held" });
  told("held", { slot: NINE, hold_expires_at: NOW + 1, now: NOW });
  told("held", { slot: NINE, now: NOW });
  assert.deepEqual([screen().state, screen().own, screen().holdUntil, controls()], ["unpaid", NINE, null, ["release"]]);
  const window = { admission: "aa", expires_at: NOW + 9000, checkout_url: "https://s/", now: NOW };
  told("admitted", window);
  told("held", { slot: NINE, now: NOW }); // as it is told after a way back
  assert.deepEqual([screen().state, screen().own, controls()], ["admitted", NINE, ["decline"]]);
  told("ticket", { ticket: 0, state: "redeemed" });
  assert.equal(screen().own, NINE);
  told("ticket", { ticket: 0, state: "expired", may_rejoin: false });
  assert.deepEqual([screen().state, screen().own], ["expired", null]);
  told("joined", { ticket: 1, state: "waiting" });
  told("held", { slot: TEN, now: NOW });
  assert.deepEqual([screen().state, headline()], ["unpaid", "Kept until you pay"]);
  told("cancelled", { slot: TEN, reason: "cancelled" });
  assert.deepEqual([screen().state, screen().own], ["choosing", null]);
  told("held", { slot: TEN, now: NOW });
  told("booked", { slot: TEN, confirmation: "K7" });
  assert.equal(screen().state, "booked");
});

test("why a time was lost is said until another is held", () => {
  told("joined", { ticket: 0, state: "held" });
  told("held", { slot: NINE, hold_expires_at: NOW + 1, now: NOW });
  told("cancelled", { slot: NINE, reason: "hold_over" });
  assert.deepEqual([screen().state, headline(), screen().own], ["choosing", "Your time was given back", null]);
  told("held", { slot: TEN, hold_expires_at: NOW + 1, now: NOW });
  told("booked", { slot: TEN, confirmation: "K7" });
  told("cancelled", { slot: TEN, reason: "merchant" });
  assert.equal(headline(), "The shop had to cancel");
});

test("nothing free, paused and closed are said", () => {
  told("slots", { slots: slots(NINE, TEN).map((slot) => ({ ...slot, free: 0 })), now: NOW });
  assert.equal(headline(), "Nothing is free just now");
  told("phase", { phase: "open", at: null, now: NOW, paused: "merchant" });
  assert.equal(headline(), "A short pause");
  told("phase", { phase: "settling", at: null, now: NOW });
  assert.equal(screen().state, "closed");
});

test("the day in sight is that of the own time, else the first with a free place", () => {
  told("slots", { slots: slots("2026-12-02T09:00:00Z"), now: NOW });
  assert.equal(screen().day, "2026-12-01");
  told("slots", { slots: slots(NINE, TEN).map((slot) => ({ ...slot, free: 0 })), now: NOW });
  assert.equal(screen().day, "2026-12-02");
  told("booked", { slot: NINE, confirmation: "K7" });
  assert.equal(screen().day, "2026-12-01");
});
