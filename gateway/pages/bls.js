/**
 * Whether a BLS signature on G1 of BLS12-381 is real: e(H(message), key) · e(-signature, generator) = 1.
 *
 * Points are compressed as Zcash has it, affine `[x, y]` here, null at infinity; the hash to the curve is that of RFC
 * 9380 (BLS12381G1_XMD:SHA-256_SSWU_RO). Only the side that drand's unchained chains sign on: chains that sign on G2
 * are for the command. Written for clarity; tested against py-ecc's answers and real rounds.
 */

import * as f from "./bls_field.js";
import * as n from "./bls_numbers.js";
import { sha256 } from "./sha256.js";

const G1_BYTES = 48;
const FIELD_BYTES = 64; // read for each element, so that it is even modulo P (RFC 9380, section 5)
const HASH_BLOCK_BYTES = 64;
const COMPRESSED = 1n << 383n;
const INFINITE = 1n << 382n;
const GREATER_Y = 1n << 381n;
const NOTHING = [0n, 0n];
const FINAL_EXPONENT = (n.P ** 12n - 1n) / n.R;

/**
 * @param {Uint8Array} message @param {string} tag domain separation @param {Uint8Array} signature 48 bytes
 * @param {Uint8Array} key 96 bytes
 */
export function isSigned(message, tag, signature, key) {
  const point = signature.length === G1_BYTES ? fromG1(signature) : null;
  const keyPoint = fromG2(key);
  if (point === null || keyPoint === null || multiply1(point, n.R) !== null) return false;
  const product = f.multiply12(
    millerLoop(hashToG1(message, tag), keyPoint),
    millerLoop([point[0], f.mod(-point[1])], n.G2),
  );
  return f.isOne12(f.power12(product, FINAL_EXPONENT));
}

/** The point of a hash. Exported for its test. */
export function hashToG1(message, tag) {
  const uniform = expanded(message, new TextEncoder().encode(tag));
  const [u, v] = [0, 1].map((i) => f.mod(fromBytes(uniform.subarray(i * FIELD_BYTES, (i + 1) * FIELD_BYTES))));
  return multiply1(add1(mapToG1(u), mapToG1(v)), n.X + 1n);
}

/** expand_message_xmd to 128 bytes (RFC 9380, section 5.3.1). */
function expanded(message, tag) {
  const suffix = Uint8Array.of(...tag, tag.length);
  const length = 2 * FIELD_BYTES;
  const first = sha256(new Uint8Array(HASH_BLOCK_BYTES), message, Uint8Array.of(0, length, 0), suffix);
  const blocks = [sha256(first, Uint8Array.of(1), suffix)];
  while (blocks.length * blocks[0].length < length) {
    const mixed = blocks.at(-1).map((byte, at) => byte ^ first[at]);
    blocks.push(sha256(mixed, Uint8Array.of(blocks.length + 1), suffix));
  }
  return Uint8Array.from(blocks.flatMap((block) => [...block]));
}

/** The simplified map of Shallue, van de Woestijne and Ulas to the isogenous curve, then the isogeny (6.6.2, 6.6.3). */
function mapToG1(u) {
  const zu2 = f.mod(n.ISO_Z * u * u);
  const tv = f.inverse(zu2 * zu2 + zu2);
  const ratio = tv === 0n ? f.inverse(n.ISO_Z) : -(1n + tv);
  const x1 = f.mod(n.ISO_B * f.inverse(n.ISO_A) * ratio);
  const square = (x) => f.mod(x * x * x + n.ISO_A * x + n.ISO_B);
  const root = f.squareRoot(square(x1));
  const x = root === null ? f.mod(zu2 * x1) : x1;
  const y = root ?? f.squareRoot(square(x));
  const signed = (y & 1n) === (u & 1n) ? y : f.mod(-y);
  const at = (polynomial) => polynomial.reduceRight((sum, coefficient) => f.mod(sum * x + coefficient), 0n);
  return [
    f.mod(at(n.X_NUMERATOR) * f.inverse(at(n.X_DENOMINATOR))),
    f.mod(signed * at(n.Y_NUMERATOR) * f.inverse(at(n.Y_DENOMINATOR))),
  ];
}

function add1(a, b) {
  if (a === null || b === null) return a ?? b;
  if (a[0] === b[0] && a[1] !== b[1]) return null;
  const slope = a[0] === b[0] ? 3n * a[0] * a[0] * f.inverse(2n * a[1]) : (b[1] - a[1]) * f.inverse(b[0] - a[0]);
  const x = f.mod(slope * slope - a[0] - b[0]);
  return [x, f.mod(slope * (a[0] - x) - a[1])];
}

function multiply1(point, by) {
  let sum = null;
  for (let double = point, left = by; left > 0n; left >>= 1n, double = add1(double, double))
    if (left & 1n) sum = add1(sum, double);
  return sum;
}

/**
 * Miller's loop over the bits of |x|. A line through T with slope s, untwisted and times w³, which the final exponent
 * takes away, is (s·x(T) - y(T)) - s·x(P)·w² + y(P)·w³. That x is negative only inverts the result; so does it with
 * every factor of a product that is compared with one.
 */
function millerLoop([px, py], q) {
  let [value, t] = [f.ONE12, q];
  const step = (slope, other) => {
    const constant = f.subtract2(f.multiply2(slope, t[0]), t[1]);
    const line = [constant, NOTHING, f.scale2(slope, -px), [py, 0n], NOTHING, NOTHING];
    const x = f.subtract2(f.subtract2(f.multiply2(slope, slope), t[0]), other[0]);
    t = [x, f.subtract2(f.multiply2(slope, f.subtract2(t[0], x)), t[1])];
    value = f.multiply12(line, value);
  };
  for (const bit of n.X.toString(2).slice(1)) {
    value = f.multiply12(value, value);
    step(f.multiply2(f.scale2(f.multiply2(t[0], t[0]), 3n), f.inverse2(f.scale2(t[1], 2n))), t);
    if (bit === "1") step(f.multiply2(f.subtract2(t[1], q[1]), f.inverse2(f.subtract2(t[0], q[0]))), q);
  }
  return value;
}

/** A point of the curve y² = x³ + 4, or null: for infinity too, which signs nothing. */
function fromG1(bytes) {
  const written = fromBytes(bytes);
  const x = written & (GREATER_Y - 1n);
  if (!(written & COMPRESSED) || written & INFINITE || x >= n.P) return null;
  const y = f.squareRoot(x * x * x + 4n);
  if (y === null) return null;
  return [x, isGreater(y) === Boolean(written & GREATER_Y) ? y : f.mod(-y)];
}

/** A key, which stands in our own table and is in the subgroup; on the curve y² = x³ + 4·(1 + i), c1 first. */
function fromG2(bytes) {
  const written = fromBytes(bytes.subarray(0, G1_BYTES));
  const x = [fromBytes(bytes.subarray(G1_BYTES)), written & (GREATER_Y - 1n)];
  const y = f.squareRoot2(f.add2(f.multiply2(f.multiply2(x, x), x), [4n, 4n]));
  if (y === null) return null;
  const greater = y[1] === 0n ? isGreater(y[0]) : isGreater(y[1]);
  return [x, greater === Boolean(written & GREATER_Y) ? y : f.scale2(y, -1n)];
}

const isGreater = (y) => 2n * y > n.P;

function fromBytes(bytes) {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}
