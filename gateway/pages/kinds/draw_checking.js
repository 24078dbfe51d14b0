/**
 * Checks a draw where it is read: fetches the proof, draws again in a worker (`draw_verify.js`), and holds against it
 * what only this consumer knows: what the draw was committed to when it was first seen here, and the own ticket.
 *
 * What is found is kept in `answer`; the words are in `draw_words.js`.
 */

import { verify } from "../draw_verify.js";

/**
 * @typedef {object} Answer
 * @property {"ok" | "fails" | "unproven" | "undrawn" | "unread"} verdict beside those of `draw_check.js`: there is no
 *   proof yet, or it could not be read
 * @property {{field: string, what: string}[]} findings what does not match
 * @property {string | null} unproven why nothing shows that the beacon is real
 * @property {{source: string, round: number} | null} beacon @property {number} tickets @property {number} winners
 * @property {{ticket: number, hats: number, place: number} | null} own hats 0: it was not in the hat; place 0: none
 */

export class Checking {
  state = "idle"; // or "running"
  done = 0;
  total = 0;
  /** @type {Answer | null} */
  answer = null;
  #commitment = null;

  /** What the path says that it is committed to. The first that is heard is what counts. */
  promised(commitment) {
    this.#commitment ??= commitment ?? null;
  }

  /** @param {string} address of the proof @param {number | null} ticket one's own @param {() => void} moved */
  async run(address, ticket, moved) {
    Object.assign(this, { state: "running", done: 0, total: 0, answer: null });
    moved();
    try {
      this.answer = await this.#check(address, ticket, moved);
    } catch (error) {
      this.answer = { ...NOTHING, verdict: "unread", findings: [{ field: "proof", what: error.message }] };
    }
    this.state = "idle";
  }

  async #check(address, ticket, moved) {
    const response = await fetch(address, { cache: "no-store" });
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    const text = await response.text();
    const proof = JSON.parse(text);
    if (!("secret" in proof)) return { ...NOTHING, verdict: "undrawn" };
    const answer = await verify(text, {
      onProgress: (done, total) => {
        Object.assign(this, { done, total });
        moved();
      },
    });
    return this.#held(answer, proof, ticket);
  }

  /** Against the proof what was told here. */
  #held(answer, proof, ticket) {
    const findings = [...answer.findings];
    if (this.#commitment !== null && proof.commitment !== this.#commitment) {
      findings.push({ field: "commitment", what: `was ${this.#commitment} when you came here` });
    }
    const verdict = findings.length > 0 ? "fails" : answer.verdict;
    const counts = { tickets: proof.tickets, winners: proof.winners?.length, beacon: proof.beacon ?? null };
    return { ...answer, ...counts, verdict, findings, own: ownPart(proof, ticket) };
  }
}

const NOTHING = { findings: [], unproven: null, beacon: null, tickets: 0, winners: 0, own: null };

function ownPart(proof, ticket) {
  if (ticket === null) return null;
  const hats = atob(proof.hats).charCodeAt(ticket);
  return { ticket, hats: Number.isNaN(hats) ? 0 : hats, place: proof.winners.indexOf(ticket) + 1 };
}
