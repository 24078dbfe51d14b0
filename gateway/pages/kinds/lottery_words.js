/** What is said of a check of an order that was drawn. Pure: no document, no clock. Rules as in `room_words.js`. */

import { count } from "../room_words.js";

const VERDICTS = {
  ok: ({ beacon }) =>
    beacon === null
      ? "It matches: your browser has drawn again, and the same order came out. But no public beacon was named, so " +
        "the operator could have known it before."
      : "It matches: your browser has drawn again with what a public beacon said " +
        `(round ${beacon.round}), which nobody could know before, and the same order came out.`,
  fails: () => "It does not match. This order was not drawn as its proof says:",
  unproven: ({ unproven }) =>
    `The order follows from the proof, but not that the randomness is real: ${unproven}. ` +
    "Whoever may choose the randomness may choose the order.",
  undrawn: () => "There is nothing to check yet: nothing has been drawn.",
  unread: () => "The proof could not be checked. Please try again in a moment:",
};

/**
 * What the check says, and what it found.
 * @param {import("./lottery_check.js").LotteryCheck} check
 * @returns {{verdict: string, findings: {key: string, text: string}[]}}
 */
export function checkWords({ state, done, total, answer }) {
  if (state === "running") {
    const far = total === 0 ? "" : ` ${count(done)} of ${count(total)}`;
    return { verdict: `Drawing again in your browser…${far}`, findings: [] };
  }
  if (answer === null) return { verdict: "", findings: [] };
  const findings = answer.findings.map(({ field, what }) => ({ key: field, text: `${field}: ${what}` }));
  return { verdict: VERDICTS[answer.verdict](answer) + ownWords(answer.own), findings };
}

/** Tickets are counted from 0; people from 1. */
function ownWords(own) {
  if (own === null) return "";
  if (own.hats === 0) return ` Your ticket (number ${own.ticket + 1}) was not in the hat.`;
  const lots = own.hats === 1 ? "one lot" : `${own.hats} lots`;
  const won = own.place === 0 ? "" : ` and was drawn as number ${own.place}`;
  return ` Your ticket (number ${own.ticket + 1}) was in the hat with ${lots}${won}.`;
}
