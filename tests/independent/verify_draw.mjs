// A second verifier of draws, written from the text of the rule alone: it shares nothing with Stanchion's own.
//
//   node verify_draw.mjs FILE    one proof document a line; answers one line each: "ok", or what does not match
//
// The key of ticket t is the smallest, over lots j < hats(t), of SHA-256(seed, t as 8 bytes, j as 1 byte); the order is
// ascending by key, ties by t; 0 hats have no place. commitment = SHA-256(secret); root = SHA-256(count as 8 bytes,
// hats); seed = SHA-256(secret, beacon's randomness, root); the winners are the first that are not skipped. It says
// nothing about whether a beacon is real.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

const hash = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const bytes = (hexadecimal) => Buffer.from(hexadecimal, "hex");
const eight = (number) => {
  const written = Buffer.alloc(8);
  written.writeBigUInt64BE(BigInt(number));
  return written;
};

function orderOf(seed, hats) {
  const entries = [];
  hats.forEach((count, ticket) => {
    const keys = Array.from({ length: count }, (_, lot) => hash(seed, eight(ticket), Buffer.of(lot)));
    if (count > 0) entries.push({ ticket, key: keys.sort(Buffer.compare)[0] });
  });
  entries.sort((a, b) => Buffer.compare(a.key, b.key) || a.ticket - b.ticket);
  return entries.map((entry) => entry.ticket);
}

function wrongIn(proof) {
  const hats = Buffer.from(proof.hats, "base64");
  const secret = bytes(proof.secret);
  const root = hash(eight(hats.length), hats);
  const seed = hash(secret, bytes(proof.beacon?.randomness ?? ""), root);
  const order = orderOf(seed, hats);
  const skipped = proof.skipped.map((skip) => skip.ticket);
  const winners = order.filter((ticket) => !skipped.includes(ticket)).slice(0, proof.winners.length);
  const follows = {
    rule: "stanchion-lottery-1",
    tickets: hats.length,
    hats: hats.toString("base64"),
    commitment: hash(secret).toString("hex"),
    root: root.toString("hex"),
    seed: seed.toString("hex"),
    winners,
    order_digest: hash(...order.map(eight)).toString("hex"),
    operator_could_know: proof.beacon === null,
  };
  return Object.keys(follows).filter((field) => String(follows[field]) !== String(proof[field]));
}

for (const line of readFileSync(process.argv[2], "utf8").trim().split("\n"))
  console.log(wrongIn(JSON.parse(line)).join(" ") || "ok");
