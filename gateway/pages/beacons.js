/**
 * The public beacons that a page knows, and whether one round of theirs is real. The same table as the server's
 * `protocol/beacons.py` (a test compares them), which says where it comes from.
 */

import { isSigned } from "./bls.js";
import { fromHex, hex } from "./hexadecimal.js";
import { sha256 } from "./sha256.js";

const TAG_G1 = "BLS_SIG_BLS12381G1_XMD:SHA-256_SSWU_RO_NUL_";
const TAG_G2 = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_NUL_";
const PREFIX = "drand:";

/** By chain hash; `tag` null: it signs on G2, which only the command checks. */
export const CHAINS = {
  "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce": {
    id: "default",
    tag: null,
    publicKey: "868f005eb8e6e4ca0a47c8a77ceaa5309a47978a7c71bc5cce96366b5d7a569937c529eeda66c7293784a9402801af31",
  },
  "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971": {
    id: "quicknet",
    tag: TAG_G1,
    publicKey:
      "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
      "0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a",
  },
  dbd506d6ef76e5f386f41c651dcb808c5bcbd75471cc4eafa3f4df7ad4e4c493: {
    id: "fastnet",
    tag: TAG_G2,
    publicKey:
      "a0b862a7527fee3a731bcb59280ab6abd62d5c0b6ea03dc4ddf6612fdfc9d01f01c31542541771903475eb1ec6615f8d" +
      "0df0b8b6dce385811d6dcf8cbefb8759e5e616a3dfd054c928940766d9a5b9db91e3b697e5d70a975181e007f87fca5e",
  },
};

/** Why it is not proved here that `beacon` (as in a proof) is what its source said; null: it is. */
export function unproven(beacon) {
  const hash = beacon.source.slice(PREFIX.length);
  const chain = beacon.source.startsWith(PREFIX) && Object.hasOwn(CHAINS, hash) ? CHAINS[hash] : null;
  if (chain === null) return `${beacon.source} is no known public chain`;
  if (beacon.public_key !== chain.publicKey) return `the public key is not that of ${chain.id}`;
  if (beacon.round < 1) return `${chain.id} has no round ${beacon.round}`;
  if (chain.tag === null) return `${chain.id} is not checked in a browser; "stanchion draw verify" does`;
  if ("previous_signature" in beacon) return `${chain.id} signs no other`;
  const signature = fromHex(beacon.signature);
  if (beacon.randomness !== hex(sha256(signature))) return "the randomness is not the SHA-256 of the signature";
  const round = new DataView(new ArrayBuffer(8));
  round.setBigUint64(0, BigInt(beacon.round));
  const real = isSigned(sha256(new Uint8Array(round.buffer)), chain.tag, signature, fromHex(chain.publicKey));
  return real ? null : `the signature is not that of ${chain.id} for round ${beacon.round}`;
}
