/**
 * SHA-256 (FIPS 180-4) in plain JavaScript: `crypto.subtle` is asynchronous, absent on plain HTTP, and slow for the
 * millions of short inputs that a draw consists of.
 *
 * `sha256` takes bytes of any length; `compress` is one block, for those who lay their words out themselves.
 */

const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;

/** The first 32 bits of the fractional part of a root of each of the first primes. */
const fractions = (root, count) =>
  Uint32Array.from(primes(count), (prime) => (root(prime) % 1) * 2 ** 32);

function primes(count) {
  const found = [];
  for (let number = 2; found.length < count; number += 1)
    if (found.every((prime) => number % prime)) found.push(number);
  return found;
}

const ROUND_WORDS = fractions(Math.cbrt, 64);
const START_WORDS = fractions(Math.sqrt, 8);
const schedule = new Int32Array(64);

/** Writes the eight words that a hash begins with. @param {Int32Array} state */
export function begin(state) {
  state.set(START_WORDS);
}

/** Mixes one block of 16 words into eight. @param {Int32Array} state @param {Int32Array} block */
export function compress(state, block) {
  const w = schedule;
  for (let i = 0; i < 16; i += 1) w[i] = block[i];
  for (let i = 16; i < 64; i += 1) {
    const x = w[i - 15];
    const y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let [a, b, c, d] = [state[0], state[1], state[2], state[3]];
  let [e, f, g, h] = [state[4], state[5], state[6], state[7]];
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND_WORDS[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

/** @param {...Uint8Array} parts @returns {Uint8Array} the 32 bytes of the hash of all parts, one after another */
export function sha256(...parts) {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const padded = Math.ceil((length + 1 + LENGTH_BYTES) / BLOCK_BYTES) * BLOCK_BYTES;
  const bytes = new Uint8Array(padded);
  parts.reduce((at, part) => (bytes.set(part, at), at + part.length), 0);
  bytes[length] = 0x80;
  const words = new DataView(bytes.buffer);
  words.setBigUint64(padded - LENGTH_BYTES, BigInt(length) * 8n);
  const state = new Int32Array(8);
  const block = new Int32Array(16);
  begin(state);
  for (let at = 0; at < padded; at += BLOCK_BYTES) {
    for (let i = 0; i < 16; i += 1) block[i] = words.getInt32(at + 4 * i);
    compress(state, block);
  }
  return bytesOf(state);
}

/** The words of a state as bytes, big-endian. @param {Int32Array} state */
export function bytesOf(state) {
  const bytes = new Uint8Array(4 * state.length);
  const view = new DataView(bytes.buffer);
  state.forEach((word, i) => view.setInt32(4 * i, word));
  return bytes;
}
