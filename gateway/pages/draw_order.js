/**
 * The lottery's order, drawn again: the key of ticket t is the smallest, over lots j < hats(t), of
 * SHA-256(seed ‖ t as 8 bytes ‖ j as 1 byte), big-endian; the order is ascending by key, ties by t; 0 hats, no place.
 *
 * `seed ‖ t ‖ j` is 41 bytes, so a lot is one block whose words are laid out here. Only the first 8 bytes of each key
 * are kept; where two agree in them the whole keys are computed again.
 */

import { begin, compress, sha256 } from "./sha256.js";

export const TICKETS_A_SLICE = 20_000;
const TICKET_BYTES = 8;
const LOT_BITS = 41 * 8;
const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

/**
 * Draws; yields the number of tickets hashed so far after every slice.
 * @param {Uint8Array} seed @param {Uint8Array} hats
 * @returns {Generator<number, Uint32Array>} the tickets, the luckiest first
 */
export function* drawing(seed, hats) {
  const keys = new Keys(seed);
  const high = new Uint32Array(hats.length);
  const low = new Uint32Array(hats.length);
  for (let ticket = 0; ticket < hats.length; ticket += 1) {
    keys.find(ticket, hats[ticket]);
    high[ticket] = keys.least[0];
    low[ticket] = keys.least[1];
    if (ticket % TICKETS_A_SLICE === TICKETS_A_SLICE - 1) yield ticket + 1;
  }
  let order = Uint32Array.from(hats.keys()).filter((ticket) => hats[ticket] > 0);
  for (const words of [low, high])
    for (const shift of [0, DIGIT_BITS]) order = sortedByDigit(order, words, shift);
  const equal = (a, b) => high[a] === high[b] && low[a] === low[b];
  settle(order, equal, (ticket) => keys.find(ticket, hats[ticket]).slice());
  return order;
}

/** SHA-256 over the whole order, 8 bytes big-endian a ticket. @param {Uint32Array} order */
export function orderDigest(order) {
  const bytes = new DataView(new ArrayBuffer(order.length * TICKET_BYTES));
  order.forEach((ticket, place) => bytes.setUint32(place * TICKET_BYTES + 4, ticket));
  return sha256(new Uint8Array(bytes.buffer));
}

/** Finds keys under one seed, always in the same few words of memory. */
class Keys {
  /** The key found last, eight words. */
  least = new Int32Array(8);
  #state = new Int32Array(8);
  #block = new Int32Array(16);

  /** @param {Uint8Array} seed 32 bytes */
  constructor(seed) {
    const words = new DataView(seed.buffer, seed.byteOffset);
    for (let i = 0; i < 8; i += 1) this.#block[i] = words.getInt32(4 * i);
    this.#block[15] = LOT_BITS;
  }

  /** @param {number} ticket @param {number} hats @returns {Int32Array} `least`; zeros for no hats */
  find(ticket, hats) {
    this.least.fill(hats > 0 ? -1 : 0);
    this.#block[8] = Math.floor(ticket / 2 ** 32);
    this.#block[9] = ticket;
    for (let lot = 0; lot < hats; lot += 1) {
      this.#block[10] = (lot << 24) | 0x800000; // the lot, then the bit that ends the message
      begin(this.#state);
      compress(this.#state, this.#block);
      if (isLess(this.#state, this.least)) this.least.set(this.#state);
    }
    return this.least;
  }
}

function isLess(a, b) {
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return a[i] >>> 0 < b[i] >>> 0;
  return false;
}

/** One pass of a radix sort: stable, by 16 bits of each ticket's word. */
function sortedByDigit(order, words, shift) {
  const digit = (ticket) => (words[ticket] >>> shift) & (DIGITS - 1);
  const ends = new Uint32Array(DIGITS + 1);
  for (const ticket of order) ends[digit(ticket) + 1] += 1;
  for (let i = 1; i <= DIGITS; i += 1) ends[i] += ends[i - 1];
  const sorted = new Uint32Array(order.length);
  for (const ticket of order) sorted[ends[digit(ticket)]++] = ticket;
  return sorted;
}

/** Orders neighbours that are `equal` so far by their whole keys. Exported for its test: nobody finds such a pair. */
export function settle(order, equal, key) {
  for (let start = 0, end = 1; start < order.length; start = end, end += 1) {
    while (end < order.length && equal(order[start], order[end])) end += 1;
    if (end - start === 1) continue;
    const whole = new Map([...order.subarray(start, end)].map((ticket) => [ticket, key(ticket)]));
    order.subarray(start, end).sort((a, b) => {
      if (isLess(whole.get(a), whole.get(b))) return -1;
      return isLess(whole.get(b), whole.get(a)) ? 1 : a - b;
    });
  }
}
