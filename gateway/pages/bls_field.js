/**
 * The fields under BLS12-381: integers modulo P, Fq2 = Fq[i] / (i² + 1) as `[c0, c1]`, and Fq12 =
 * Fq2[w] / (w⁶ - 1 - i) as six of those. BigInt, plain and slow: one signature takes half a second. Verifying holds no
 * secret, so nothing here needs to take constant time.
 */

import { P } from "./bls_numbers.js";

/** @param {bigint} a */
export const mod = (a) => ((a % P) + P) % P;

/** @param {bigint} base @param {bigint} exponent */
export function power(base, exponent) {
  let result = 1n;
  for (let square = mod(base), left = exponent; left > 0n; left >>= 1n, square = (square * square) % P)
    if (left & 1n) result = (result * square) % P;
  return result;
}

/** By Euclid; 0 for 0, as RFC 9380's inv0. @param {bigint} a */
export function inverse(a) {
  let [r, next, s, t] = [mod(a), P, 1n, 0n];
  while (next > 0n) {
    const quotient = r / next;
    [r, next] = [next, r - quotient * next];
    [s, t] = [t, s - quotient * t];
  }
  return r === 1n ? mod(s) : 0n;
}

/** P is 3 modulo 4, so this is a root if there is one; null if there is none. @param {bigint} a */
export function squareRoot(a) {
  const root = power(a, (P + 1n) / 4n);
  return (root * root) % P === mod(a) ? root : null;
}

export const add2 = (a, b) => [mod(a[0] + b[0]), mod(a[1] + b[1])];
export const subtract2 = (a, b) => [mod(a[0] - b[0]), mod(a[1] - b[1])];
export const scale2 = (a, by) => [mod(a[0] * by), mod(a[1] * by)];
export const multiply2 = (a, b) => [mod(a[0] * b[0] - a[1] * b[1]), mod(a[0] * b[1] + a[1] * b[0])];
export const equal2 = (a, b) => a[0] === b[0] && a[1] === b[1];

/** @param {[bigint, bigint]} a */
export function inverse2([c0, c1]) {
  const norm = inverse(c0 * c0 + c1 * c1);
  return [mod(c0 * norm), mod(-c1 * norm)];
}

function power2(base, exponent) {
  let result = [1n, 0n];
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = multiply2(square, square))
    if (left & 1n) result = multiply2(result, square);
  return result;
}

/** Adj and Rodríguez-Henríquez (2012), algorithm 9; null if there is none. */
export function squareRoot2(a) {
  const first = power2(a, (P - 3n) / 4n);
  const candidate = multiply2(first, a);
  const alpha = multiply2(first, candidate);
  const factor = equal2(alpha, [P - 1n, 0n]) ? [0n, 1n] : power2(add2(alpha, [1n, 0n]), (P - 1n) / 2n);
  const root = multiply2(factor, candidate);
  return equal2(multiply2(root, root), a) ? root : null;
}

const SIX = 6;
export const ONE12 = Array.from({ length: SIX }, (_, place) => [place === 0 ? 1n : 0n, 0n]);

/** Reduced only at the end of each sum; w⁶ is 1 + i. */
export function multiply12(a, b) {
  const real = new Array(2 * SIX).fill(0n);
  const imaginary = new Array(2 * SIX).fill(0n);
  for (let i = 0; i < SIX; i += 1) {
    const [a0, a1] = a[i];
    if (a0 === 0n && a1 === 0n) continue;
    for (let j = 0; j < SIX; j += 1) {
      const [b0, b1] = b[j];
      real[i + j] += a0 * b0 - a1 * b1;
      imaginary[i + j] += a0 * b1 + a1 * b0;
    }
  }
  return ONE12.map((_, k) => [
    mod(real[k] + real[k + SIX] - imaginary[k + SIX]),
    mod(imaginary[k] + real[k + SIX] + imaginary[k + SIX]),
  ]);
}

export function power12(base, exponent) {
  let result = ONE12;
  for (let square = base, left = exponent; left > 0n; left >>= 1n, square = multiply12(square, square))
    if (left & 1n) result = multiply12(result, square);
  return result;
}

export const isOne12 = (a) => a.every((coefficient, place) => equal2(coefficient, ONE12[place]));
