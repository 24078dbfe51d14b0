import assert from "node:assert/strict";
import { test } from "node:test";

import { CHAINS, unproven } from "../../../gateway/pages/beacons.js";
import { isSigned } from "../../../gateway/pages/bls.js";
import { fromHex, hex } from "../../../gateway/pages/hexadecimal.js";
import { sha256 } from "../../../gateway/pages/sha256.js";

const [DEFAULT, QUICKNET, FASTNET] = Object.keys(CHAINS);
const OF_QUICKNET = "b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b";
const OF_FASTNET = "9391bf57538cf1c0012fabc0d933408d21f785324bcbb4f9850503e5a31e268f6e523e1c1db91ab4bf950752474e1580";

function beacon(hash, round, signature, changes = {}) {
  const randomness = hex(sha256(fromHex(signature)));
  const key = CHAINS[hash].publicKey;
  return { source: `drand:${hash}`, round, randomness, signature, public_key: key, ...changes };
}

test("real rounds are real", () => {
  assert.equal(unproven(beacon(QUICKNET, 657_413, OF_QUICKNET)), null);
  assert.equal(unproven(beacon(FASTNET, 5_713_537, OF_FASTNET)), null);
});

test("what is not proved says why", () => {
  const real = beacon(QUICKNET, 657_413, OF_QUICKNET);
  const not = (changes) => unproven({ ...real, ...changes });
  assert.equal(not({ round: 657_414 }), "the signature is not that of quicknet for round 657414");
  assert.equal(not({ round: 0 }), "quicknet has no round 0");
  assert.equal(not({ source: "drand:toString" }), "drand:toString is no known public chain");
  assert.equal(not({ source: `drand:${FASTNET}` }), "the public key is not that of fastnet");
  assert.equal(not({ previous_signature: "" }), "quicknet signs no other");
  assert.equal(not({ randomness: "00" }), "the randomness is not the SHA-256 of the signature");
  assert.match(unproven(beacon(DEFAULT, 1000, "")), /"stanchion draw verify" does/);
});

test("no signature but the one, no point outside of the curve or its subgroup", () => {
  const key = fromHex(CHAINS[QUICKNET].publicKey);
  const outsiders = ["", `c0${"00".repeat(47)}`, `80${"00".repeat(46)}04`, `80${"00".repeat(46)}01`, "ff".repeat(48)];
  for (const signature of [...outsiders, OF_FASTNET, OF_QUICKNET.replace(/^b/, "9"), OF_QUICKNET.replace(/^b7/, "37")])
    assert.equal(isSigned(fromHex("00"), "tag", fromHex(signature), key), false, signature);
});
