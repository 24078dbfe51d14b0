import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { CLIMB_AFTER_MS, Refused, SILENCE_MS, connect } from "../../../gateway/pages/client.js";
import { World, settle, welcome } from "./outside.mjs";

const JOINED = { type: "joined", path: "general", ticket: 7, state: "waiting", receipt: "r" };
const STATUS = { welcome: welcome(), frames: [], poll_after_ms: 5000 };

let world;
let frames;
let states;

beforeEach(() => {
  world = new World();
  frames = [];
  states = [];
  world.answer("POST session", 200, { session: "token-1" });
});

async function open(options = {}) {
  const link = connect({
    origin: "https://room.example",
    experience: "demo",
    join: [""],
    onFrame: (frame) => frames.push(frame.type),
    onState: (state) => states.push(`${state.phase} ${state.transport}`),
    outside: world.outside,
    ...options,
  });
  await settle();
  return link;
}

async function live(options) {
  const link = await open(options);
  world.socket.says(welcome());
  return link;
}

test("a session first, then a socket that joins within the handshake", async () => {
  const link = await live();
  assert.deepEqual(world.requests.map((request) => request.what), ["POST session"]);
  assert.equal(world.socket.address, "wss://room.example/v1/experiences/demo/live?join=");
  assert.deepEqual(world.socket.protocols, ["stanchion.v1", "bearer.token-1"]);
  assert.deepEqual(states, ["live socket"]);
  assert.equal(link.serverNow(), 1_000_000);
  assert.equal(link.latest().welcome.type, "welcome");
});

test("a session that is given is used, and never replaced", async () => {
  const link = await open({ session: "mine", watch: ["vip"], join: [] });
  assert.equal(world.requests.length, 0);
  assert.deepEqual(world.socket.protocols, ["stanchion.v1", "bearer.mine"]);
  assert.match(world.socket.address, /\?watch=vip$/);
  world.socket.ends(4401);
  await settle();
  assert.deepEqual(link.state.phase, "ended");
  assert.equal(link.state.reason, "session_over");
});

test("coming back asks for no new ticket once one is known", async () => {
  await live();
  world.socket.says(JOINED);
  world.socket.ends(1006);
  await world.pass(500);
  assert.equal(world.sockets.length, 2);
  assert.equal(world.socket.address, "wss://room.example/v1/experiences/demo/live");
});

test("a lost link comes back after 100 to 500 ms, and slower each time", async () => {
  await live();
  await world.pass(20_000);
  world.socket.ends(1006);
  await world.pass(299);
  assert.equal(world.sockets.length, 1);
  await world.pass(2);
  assert.equal(world.sockets.length, 2);
  world.socket.ends(4503);
  await settle();
  await world.pass(499);
  assert.equal(world.sockets.length, 2);
  await world.pass(2);
  assert.equal(world.sockets.length, 3);
});

test("an orderly restart is obeyed: back after the delay, not before, not hurried by waking", async () => {
  const link = await live();
  await world.pass(20_000);
  world.socket.says({ type: "reconnect", after_ms: 4000 });
  assert.equal(link.state.reason, "restarting");
  world.socket.ends(1012);
  await settle();
  link.wake();
  await world.pass(3900);
  assert.equal(world.sockets.length, 1);
  await world.pass(400);
  assert.equal(world.sockets.length, 2);
});

test("a server that does not close when it is due is left", async () => {
  await live();
  await world.pass(20_000);
  world.socket.says({ type: "reconnect", after_ms: 4000 });
  await world.pass(4300);
  assert.equal(world.sockets[0].closed, true);
  assert.equal(world.sockets.length, 2);
});

test("after a handshake that failed the status is asked and obeyed", async () => {
  const link = await open();
  world.answer("GET status", 503, {}, { "retry-after": "7" });
  world.socket.ends(1006);
  await settle();
  assert.equal(link.state.reason, "busy");
  link.wake();
  await world.pass(6900);
  assert.equal(world.sockets.length, 1);
  await world.pass(700);
  assert.equal(world.sockets.length, 2);
});

test("no such experience is the end", async () => {
  const link = await open();
  world.answer("GET status", 404);
  world.socket.ends(1006);
  await world.pass(60_000);
  assert.equal(link.state.phase, "ended");
  assert.equal(link.state.reason, "not_found");
  assert.equal(world.sockets.length, 1);
});

test("a session that is over is replaced", async () => {
  await live();
  world.answer("POST session", 200, { session: "token-2" });
  world.socket.ends(4401);
  await world.pass(500);
  assert.deepEqual(world.socket.protocols, ["stanchion.v1", "bearer.token-2"]);
});

test("without a network nothing is held against the socket, and waking tries at once", async () => {
  const link = await live();
  for (let attempt = 0; attempt < 6; attempt += 1) {
    world.socket.ends(1006);
    await settle();
    link.wake();
    await settle();
  }
  assert.equal(link.state.transport, "socket");
  assert.equal(world.sockets.length, 7);
});

test("three handshakes that fail though the network works: Server-Sent Events, and the socket again later", async () => {
  const link = await open();
  world.answer("GET status", 200, STATUS);
  let stream;
  world.answers.set("GET events", (init) => {
    const body = new ReadableStream({
      start(controller) {
        stream = controller;
        init.signal.addEventListener("abort", () => controller.error(new Error("aborted")));
      },
    });
    return new Response(body, { status: 200, headers: { "content-type": "text/event-stream" } });
  });
  for (let attempt = 0; attempt < 3; attempt += 1) {
    world.socket.ends(1006);
    await world.pass(2000);
  }
  assert.equal(link.state.transport, "events");
  assert.equal(world.requests.at(-1).query, "?join=");
  stream.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(welcome())}\n\n`));
  await settle();
  assert.equal(link.state.phase, "live");
  for (let passed = 0; passed < CLIMB_AFTER_MS; passed += SILENCE_MS / 3) {
    stream.enqueue(new TextEncoder().encode(": still here\n\n"));
    await world.pass(SILENCE_MS / 3);
    if (world.sockets.length === 4) break;
  }
  assert.equal(world.sockets.length, 4);
});

test("neither sockets nor streams: polling, with commands over HTTP", async () => {
  world.answer("GET status", 200, STATUS);
  world.answer("GET events", 502);
  world.answer("POST commands", 200, JOINED);
  const link = await open({ outside: { ...world.outside, WebSocket: undefined } });
  const ended = () => new ReadableStream({ start: (stream) => stream.close() });
  world.answers.set("GET events", () => new Response(ended(), { status: 200 }));
  await world.pass(60_000);
  assert.equal(link.state.transport, "poll");
  assert.equal(link.state.phase, "live");
  const commands = world.requests.filter((request) => request.what === "POST commands");
  assert.deepEqual(commands.map((command) => command.content), [{ type: "join" }]);
  const polls = () => world.requests.filter((request) => request.what === "GET status").length;
  const before = polls();
  await world.pass(20_000);
  assert.equal(polls(), before + 4);
  world.answer("POST commands", 409, { reason: "no_ticket", temporary: false, message: "There is none." });
  await assert.rejects(link.command({ type: "leave", path: "general" }), (error) => {
    assert.ok(error instanceof Refused);
    return error.reason === "no_ticket" && error.temporary === false;
  });
});

test("a command is answered by the frame that repeats its ref", async () => {
  const link = await live();
  const leaving = link.command({ type: "leave", path: "general" });
  assert.deepEqual(world.socket.sent, [{ type: "leave", path: "general", ref: "1" }]);
  world.socket.says({ type: "position", path: "general", ahead: 3, of: 9, eta: null, rate: 0, now: 1 });
  world.socket.says({ type: "ticket", path: "general", state: "left", ref: "1" });
  assert.equal((await leaving).state, "left");
  assert.equal(link.latest("general").position.ahead, 3);
  const refused = link.command({ type: "rejoin", path: "general" });
  world.socket.says({ type: "error", reason: "no_ticket", temporary: false, message: "no", ref: "2" });
  await assert.rejects(refused, Refused);
});

test("a command without an answer is refused as temporary, after its time or when the link is lost", async () => {
  const link = await live();
  const late = assert.rejects(link.command({ type: "ping" }), (error) => error.reason === "no_answer");
  await world.pass(10_000);
  await late;
  const lost = assert.rejects(link.command({ type: "ping" }), (error) => error.temporary);
  world.socket.ends(1006);
  await lost;
});

test("a socket that falls silent is asked, and left when it does not answer", async () => {
  await live();
  await world.pass(SILENCE_MS);
  assert.deepEqual(world.socket.sent.map((frame) => frame.type), ["ping"]);
  world.socket.says({ type: "ok", now: 1_075_000, ref: "1" });
  await world.pass(SILENCE_MS);
  assert.equal(world.sockets.length, 1);
  await world.pass(40_000);
  assert.ok(world.sockets.length > 1);
});

test("a cookie that did not come through: the guest that the server made joins by a command", async () => {
  await open();
  world.socket.says(welcome({ session: "made-for-us" }));
  assert.deepEqual(world.socket.sent, [{ type: "join", ref: "1" }]);
  world.socket.ends(1006);
  await world.pass(500);
  assert.deepEqual(world.socket.protocols, ["stanchion.v1", "bearer.made-for-us"]);
});

test("closing ends everything, and opening begins again", async () => {
  const link = await live();
  link.close();
  await world.pass(100_000);
  assert.equal(link.state.phase, "ended");
  assert.equal(world.sockets.length, 1);
  assert.equal(world.socket.closed, true);
  link.open();
  await settle();
  assert.equal(world.sockets.length, 2);
});
