/**
 * A draw's proof, checked where it is read: the same three answers as `stanchion draw verify`.
 *
 * `ok`: everything follows from hats, secret and beacon. `fails`: each field that does not match is named. `unproven`:
 * all matches, but nothing shows that the beacon is real, so whoever made the proof may have chosen the winners; so
 * it is too where only the command can check that beacon. Pure: no document, no clock.
 */

import { unproven } from "./beacons.js";
import { drawing, orderDigest } from "./draw_order.js";
import { fromHex, hex } from "./hexadecimal.js";
import { sha256 } from "./sha256.js";

export const RULE = "stanchion-lottery-1";
const SHOWN_MAX = 80;
const FIELDS = {
  rule: "string",
  experience: "string",
  path: "string",
  tickets: "number",
  hats: "string",
  commitment: "string",
  secret: "string",
  beacon: "object",
  operator_could_know: "boolean",
  root: "string",
  seed: "string",
  winners: "object",
  skipped: "object",
  order_digest: "string",
  digest: "string",
};
const BEACON_FIELDS = {
  source: "string",
  round: "number",
  randomness: "string",
  signature: "string",
  public_key: "string",
};
const CHAINED_FIELDS = { ...BEACON_FIELDS, previous_signature: "string" };
const SKIPPED_FIELDS = { ticket: "number", reason: "string" };

/**
 * @typedef {{field: string, what: string}} Finding
 * @typedef {{verdict: "ok" | "fails" | "unproven", findings: Finding[], unproven: string | null}} Answer
 */

/**
 * Checks; yields `{done, total}` tickets after every slice. @param {string} text the document
 * @returns {Generator<{done: number, total: number}, Answer>}
 */
export function* checking(text) {
  let proof;
  try {
    proof = readProof(text);
  } catch (error) {
    return { verdict: "fails", findings: [{ field: "document", what: error.message }], unproven: null };
  }
  const findings = [];
  const expect = (field, said, follows) => {
    if (JSON.stringify(said) !== JSON.stringify(follows))
      findings.push({ field, what: `says ${short(said)}; from the rest follows ${short(follows)}` });
  };
  const { hats, seed } = foundations(proof, expect);
  const draw = drawing(seed, hats);
  let step = draw.next();
  for (; !step.done; step = draw.next()) yield { done: step.value, total: hats.length };
  const order = step.value;
  const skipped = proof.skipped.map((skip) => skip.ticket);
  const entered = [...new Set(skipped)].filter((ticket) => hats[ticket] > 0);
  expect("skipped", skipped, entered);
  expect("order_digest", proof.order_digest, hex(orderDigest(order)));
  expect("winners", proof.winners, firstOf(order, new Set(skipped), proof.winners.length));
  if (findings.length) return { verdict: "fails", findings, unproven: null };
  const doubt = proof.beacon === null ? null : unproven(proof.beacon);
  return { verdict: doubt === null ? "ok" : "unproven", findings, unproven: doubt };
}

/** All that is seen without drawing; what the order is drawn from. */
function foundations(proof, expect) {
  const bytes = (field, written, read, write) => {
    const found = read(written);
    expect(field, written, write(found));
    return found;
  };
  const hats = bytes("hats", proof.hats, fromBase64, toBase64);
  const secret = bytes("secret", proof.secret, fromHex, hex);
  const count = new DataView(new ArrayBuffer(8));
  count.setBigUint64(0, BigInt(hats.length));
  const root = sha256(new Uint8Array(count.buffer), hats);
  const beacon = proof.beacon;
  const randomness = beacon === null ? new Uint8Array() : bytes("beacon.randomness", beacon.randomness, fromHex, hex);
  const seed = sha256(secret, randomness, root);
  expect("rule", proof.rule, RULE);
  expect("digest", proof.digest, hex(sha256(utf8(JSON.stringify({ ...proof, digest: "" })))));
  expect("tickets", proof.tickets, hats.length);
  expect("commitment", proof.commitment, hex(sha256(secret)));
  expect("root", proof.root, hex(root));
  expect("operator_could_know", proof.operator_could_know, beacon === null);
  expect("seed", proof.seed, hex(seed));
  return { hats, seed };
}

/** The document as an object whose fields are those of a proof, in their order. Throws what is wrong with it. */
function readProof(text) {
  const proof = shaped(JSON.parse(text), FIELDS, "the proof");
  for (const field of ["winners", "skipped"]) if (!Array.isArray(proof[field])) throw new Error(`${field} is no list`);
  if (!proof.winners.every(Number.isSafeInteger)) throw new Error("a winner is no ticket");
  proof.skipped = proof.skipped.map((skip) => shaped(skip, SKIPPED_FIELDS, "skipped"));
  if (proof.beacon !== null) {
    const fields = "previous_signature" in proof.beacon ? CHAINED_FIELDS : BEACON_FIELDS;
    proof.beacon = shaped(proof.beacon, fields, "the beacon");
  }
  return proof;
}

function shaped(value, fields, name) {
  if (typeof value !== "object" || value === null) throw new Error(`${name} is no object`);
  for (const field of Object.keys(value)) if (!(field in fields)) throw new Error(`${name} has no field ${field}`);
  for (const [field, type] of Object.entries(fields)) {
    if (typeof value[field] !== type) throw new Error(`${name} needs ${field}, a ${type}`);
    if (type === "number" && !Number.isSafeInteger(value[field])) throw new Error(`${field} is no whole number`);
  }
  return Object.fromEntries(Object.keys(fields).map((field) => [field, value[field]]));
}

function firstOf(order, skipped, count) {
  const winners = [];
  for (let place = 0; place < order.length && winners.length < count; place += 1)
    if (!skipped.has(order[place])) winners.push(order[place]);
  return winners;
}

/** No bytes where the text is none: then it is not how they are written, and `expect` says so. */
function fromBase64(text) {
  try {
    return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}

function toBase64(bytes) {
  const parts = [];
  for (let at = 0; at < bytes.length; at += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(parts.join(""));
}

function utf8(text) {
  return new TextEncoder().encode(text);
}

function short(value) {
  const text = String(value);
  return text.length <= SHOWN_MAX ? text : `${text.slice(0, SHOWN_MAX)}… (${text.length} characters)`;
}
