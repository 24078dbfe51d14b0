import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { welcome } from "./outside.mjs";

const OPEN = { type: "phase", path: "general", phase: "open", at: null, now: 0 };
const MINE = { path: "general", ticket: 3, state: "waiting" };

let standing;

beforeEach(() => {
  standing = new Standing({ get: () => null, set: () => {} });
});

/** A path with something to choose. */
function view(kind = "queue", choices = ["42", "43"]) {
  const said = welcome();
  said.experience.paths = [{ ...said.experience.paths[0], id: "general", kind, choices }];
  return said;
}

/** The buttons of the path in focus after these frames: what each sends, or that it waits for a choice. */
function buttons(...frames) {
  for (const frame of frames) standing.take(frame);
  const shown = standing.focus.controls(standing.screen(0));
  return shown.map(({ frame, disabled }) => (disabled ? "not yet" : frame));
}

function isOpen() {
  return standing.focus.choice.isOpen(standing.focus.controls(standing.screen(0)));
}

test("a queue is not joined by itself where something is to be chosen first", () => {
  assert.deepEqual(buttons(view(), OPEN), ["not yet"]);
  assert.deepEqual([standing.joinable, isOpen()], [null, true]);
  standing.focus.choice.mean("43");
  assert.deepEqual(buttons(), [{ type: "join", variant: "43" }]);
});

test("one variant is no choice", () => {
  buttons(view("queue", ["42"]), OPEN);
  assert.deepEqual([standing.joinable?.id, standing.screen(0).state, isOpen()], ["general", "joining", false]);
});

test("while the ticket waits another may be chosen, and what is told holds", () => {
  assert.deepEqual(buttons(view(), OPEN, { type: "joined", ...MINE }, { type: "ticket", ...MINE, variant: "43" }), [
    { type: "leave" },
  ]);
  const { choice } = standing.focus;
  assert.deepEqual([choice.wanted, choice.changes, isOpen()], ["43", true, true]);
  choice.mean("42");
  assert.equal(choice.wanted, "42");
  choice.mean(null); // it was refused
  assert.equal(choice.wanted, "43");
  choice.mean("42");
  buttons({ type: "ticket", ...MINE, variant: "42" });
  assert.equal(choice.wanted, "42");
});

test("whoever has a turn chooses nothing more, and whoever joins again may", () => {
  buttons(view(), OPEN, { type: "joined", ...MINE, variant: "43" });
  buttons({ type: "admitted", path: "general", admission: "aa", expires_at: 9, checkout_url: "https://s/", now: 0 });
  assert.equal(isOpen(), false);
  assert.deepEqual(buttons({ type: "ticket", ...MINE, state: "left", reason: "declined" }), [{ type: "join", variant: "43" }]);
  assert.equal(isOpen(), true);
  buttons({ type: "joined", ...MINE, ticket: 9 });
  assert.equal(standing.focus.choice.wanted, "43");
});

test("a claim that takes a ticket names it too, before the opening already", () => {
  assert.deepEqual(buttons(view("timed_release"), { ...OPEN, phase: "scheduled" }), ["not yet"]);
  standing.focus.choice.mean("42");
  assert.deepEqual(buttons(), ["not yet"]);
  assert.deepEqual(buttons(OPEN), [{ type: "claim", variant: "42" }]);
  assert.deepEqual(buttons({ type: "joined", ...MINE }), [{ type: "claim" }]);
});

test("what is left of each is said", () => {
  const left = (stock) => say.stockWords(stock);
  assert.deepEqual(
    [left(undefined), left({ band: "plenty" }), left({ band: "few" }), left({ band: "last" }), left({ band: "none" })],
    ["", "", "Only a few left", "The last ones", "Not free just now"],
  );
  assert.deepEqual([left({ band: "last", left: 2 }), left({ band: "none", left: 0 })], ["2 left", "Not free just now"]);
  buttons(view(), { type: "stock", product: "runner", variant: "42", band: "few" });
  assert.equal(standing.stock.get("42").band, "few");
  assert.match(say.choiceWords(false, false), /first/);
  assert.match(say.choiceWords(true, false), /choose while you wait/);
  assert.match(say.choiceWords(true, true), /change it/);
});
