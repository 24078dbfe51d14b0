import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Kind } from "../../../gateway/pages/kinds/kind.js";
import { KINDS, kindOf } from "../../../gateway/pages/kinds/kinds.js";
import { Standing } from "../../../gateway/pages/room_state.js";
import * as say from "../../../gateway/pages/room_words.js";
import { welcome } from "./outside.mjs";

const KINDLESS = "sometime";
let standing;

beforeEach(() => {
  standing = new Standing({ get: () => null, set: () => {} });
});

/** A `welcome` with these paths: `[id, kind, more]` each. */
function view(...paths) {
  const said = welcome();
  const plain = said.experience.paths[0];
  said.experience.paths = paths.map(([id, kind, more = {}]) => ({ ...plain, id, kind, ...more }));
  return said;
}

function phases(...ids) {
  for (const path of ids) standing.take({ type: "phase", path, phase: "open", at: null, now: 0 });
}

const TWO = view(["vip", KINDLESS], ["general", "queue"]);

test("the first by priority is in focus, the ticket that is furthest on before it, the address before both", () => {
  standing.take(TWO);
  assert.equal(standing.focus.id, "vip");
  standing.take({ type: "joined", path: "general", ticket: 0, state: "waiting" });
  assert.equal(standing.focus.id, "general");
  standing.choose("vip");
  assert.equal(standing.screen(0).path, "vip");
  standing.choose("nowhere");
  assert.equal(standing.focus.id, "general");
});

test("what has not begun or is over gives way to what is open", () => {
  standing.take(view(["a", "queue", { phase: "ended" }], ["b", "queue", { phase: "scheduled" }], ["c", "queue"]));
  assert.equal(standing.focus.id, "c");
});

test("only a queue is joined by itself, and only where the page was opened", () => {
  standing.take(TWO);
  phases("vip", "general");
  assert.equal(standing.joinable, null);
  assert.equal(standing.screen(0).state, "open");
  standing.choose("general");
  assert.deepEqual([standing.joinable, standing.screen(0).state], [null, "open"]);
});

test("an address that names a queue joins it, unless something is held already", () => {
  standing = new Standing({ get: () => null, set: () => {} }, "general");
  standing.take(TWO);
  assert.equal(standing.joinable, null); // not all is told
  phases("vip", "general");
  assert.equal(standing.joinable.id, "general");
  standing.choose("vip");
  assert.equal(standing.joinable.id, "general"); // looking around changes nothing
  standing.take({ type: "joined", path: "vip", ticket: 0, state: "waiting" });
  assert.equal(standing.joinable, null);
});

test("a refusal is of the path that it names", () => {
  standing.take(TWO);
  standing.take({ type: "error", path: "vip", reason: "needs_level", temporary: false, message: "" });
  assert.equal(standing.screen(0).state, "needs_level");
  standing.choose("general");
  assert.equal(standing.screen(0).state, "open");
});

test("whoever has signed in may be let in", () => {
  standing.take(TWO);
  standing.take({ type: "error", path: "vip", reason: "needs_level", temporary: false, message: "" });
  standing.take(TWO);
  assert.equal(standing.screen(0).state, "needs_level");
  standing.take({ ...TWO, consumer: { id: "c", level: "registered" } });
  assert.equal(standing.screen(0).state, "open");
});

test("a path that takes nobody says so before it is asked", () => {
  standing.take(view(["vip", KINDLESS, { access: "needs_level" }]));
  assert.equal(standing.screen(0).state, "needs_level");
  standing.take(view(["vip", KINDLESS, { access: "full" }]));
  assert.equal(standing.screen(0).state, "full");
});

test("time that runs out elsewhere is told", () => {
  standing.take(TWO);
  standing.take({ type: "joined", path: "general", ticket: 0, state: "waiting" });
  const window = { admission: "aa", expires_at: 9000, checkout_url: "https://s/", now: 0 };
  standing.take({ type: "admitted", path: "vip", ...window });
  assert.equal(standing.urgent, null); // it is in focus
  standing.choose("general");
  assert.equal(standing.urgent.id, "vip");
});

test("a turn that a failure took back is told to be, until something is told anew", () => {
  standing.take(TWO);
  standing.choose("general");
  standing.take({ type: "joined", path: "general", ticket: 0, state: "waiting" });
  const window = { admission: "aa", expires_at: 9000, checkout_url: "https://s/", now: 0 };
  standing.take({ type: "admitted", path: "general", ...window });
  assert.equal(standing.screen(0).why, "");
  standing.take({ type: "ticket", path: "general", ticket: 0, state: "waiting", reason: "failover" });
  standing.take({ type: "joined", path: "general", ticket: 0, state: "waiting" });
  const { state, why, checkoutUrl } = standing.screen(0);
  assert.deepEqual([state, why, checkoutUrl], ["waiting", "failover", null]);
  assert.match(say.whyWords(why, 0), /failure on our side/);
  standing.take({ type: "admitted", path: "general", ...window });
  assert.equal(standing.screen(0).why, "");
});

test("a path that is no more goes, but for what was held there", () => {
  standing.take(TWO);
  standing.take({ type: "joined", path: "vip", ticket: 0, state: "waiting" });
  standing.take(view(["other", "queue"]));
  assert.deepEqual(standing.paths.map((path) => path.id), ["other", "vip"]);
  standing.take({ type: "ticket", path: "vip", ticket: 0, state: "lost", reason: "ended" });
  assert.equal(standing.screen(0).state, "lost");
});

test("controls, by state", () => {
  const kind = standing.take(TWO) ?? standing.focus.kind;
  const shown = (screen) => kind.controls({ reason: "", mayRejoin: false, ...screen }).map(({ id }) => id);
  assert.deepEqual(shown({ state: "open" }), ["join"]);
  assert.deepEqual(shown({ state: "waiting" }), ["leave"]);
  assert.deepEqual(shown({ state: "admitted" }), ["decline"]);
  assert.deepEqual(shown({ state: "expired", mayRejoin: true }), ["rejoin"]);
  assert.deepEqual(shown({ state: "expired" }), ["join"]);
  assert.deepEqual(shown({ state: "lost", reason: "failover" }), ["join"]);
  assert.deepEqual(shown({ state: "lost", reason: "ended" }), []);
  assert.deepEqual(shown({ state: "joining" }), []);
});

test("every kind has a name, and one that the page does not know is shown as any path is", () => {
  assert.equal(kindOf(KINDLESS), Kind);
  assert.equal(kindOf("queue"), KINDS.queue);
  assert.equal(new Set(Object.values(KINDS).map((kind) => kind.NAME)).size, Object.keys(KINDS).length);
});

test("what every kind says of its own states shows no hole", () => {
  for (const [name, kind] of Object.entries(KINDS)) {
    standing.take(view([name, name]));
    const screen = standing.screen(0);
    for (const state of [...Object.keys(kind.WORDS), "open", "offered", "held", "booked"]) {
      for (const text of Object.values(say.words({ ...screen, state }, kind.WORDS))) {
        assert.doesNotMatch(text, /undefined|null|NaN/, `${name} ${state}`);
      }
    }
  }
});
