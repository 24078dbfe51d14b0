/**
 * Checks an order that was drawn, of a draw or a lobby, where it is read: fetches the proof, draws again in a worker
 * (`draw_verify.js`), and holds against it what only this consumer knows: what the order was committed to when it was
 * first seen here, and the own ticket. Its part of the page is `#lottery-check`, its words are in `lottery_words.js`.
 */

import { verify } from "../draw_verify.js";
import { checkWords } from "./lottery_words.js";

const NOTHING = { findings: [], unproven: null, beacon: null, own: null };

/**
 * @typedef {object} Answer
 * @property {"ok" | "fails" | "unproven" | "undrawn" | "unread"} verdict beside those of `draw_check.js`: there is no
 *   proof yet, or it could not be read
 * @property {{field: string, what: string}[]} findings what does not match
 * @property {string | null} unproven why nothing shows that the beacon is real
 * @property {{source: string, round: number} | null} beacon
 * @property {{ticket: number, hats: number, place: number} | null} own hats 0: it was not in the hat; place 0: none
 */

export class LotteryCheck {
  state = "idle"; // or "running"
  done = 0;
  total = 0;
  /** @type {Answer | null} */
  answer = null;
  #path;
  #commitment = null;

  /** @param {import("../room_path.js").Path} path */
  constructor(path) {
    this.#path = path;
  }

  /** What the path says that it is committed to. The first that is heard is what counts. @param {object} view */
  viewed(view) {
    this.#commitment ??= view.commitment ?? null;
  }

  /** Whether an order is drawn in this path at all. */
  get promises() {
    return this.#commitment !== null;
  }

  /** Hangs up its listener, once for all kinds that draw. @param {import("./kind.js").Page} page */
  static wire(page) {
    page.$("lottery-check-start").addEventListener("click", () => void page.focus()?.kind.check?.run(page));
  }

  /** Draws again in a worker, and shows how far it is. @param {import("./kind.js").Page} page */
  async run(page) {
    Object.assign(this, { state: "running", done: 0, total: 0, answer: null });
    page.soon();
    try {
      this.answer = await this.#check(this.#address(page), page.soon);
    } catch (error) {
      this.answer = { ...NOTHING, verdict: "unread", findings: [{ field: "proof", what: error.message }] };
    }
    this.state = "idle";
    page.soon();
  }

  /** @param {import("./kind.js").Page} page @param {boolean} drawn whether there is anything to check */
  show(page, drawn) {
    const said = checkWords(this);
    page.$("lottery-check").hidden = !drawn;
    page.$("lottery-check").dataset.verdict = this.answer?.verdict ?? "";
    page.$("lottery-proof").setAttribute("href", this.#address(page));
    page.$("lottery-check-start").disabled = this.state === "running";
    page.$("lottery-check-progress").hidden = this.state !== "running";
    page.$("lottery-check-progress").max = Math.max(1, this.total);
    page.$("lottery-check-progress").value = this.done;
    page.text("lottery-check-said", said.verdict);
    page.$("lottery-check-said").hidden = said.verdict === "";
    page.list("lottery-check-findings", said.findings, ({ text }) => page.element("li", text));
  }

  #address(page) {
    return `/v1/experiences/${page.experience}/paths/${this.#path.id}/proof`;
  }

  async #check(address, moved) {
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
    return this.#held(answer, proof);
  }

  /** Against the proof what was told here. */
  #held(answer, proof) {
    const findings = [...answer.findings];
    if (proof.commitment !== this.#commitment) {
      findings.push({ field: "commitment", what: `was ${this.#commitment} when you came here` });
    }
    const verdict = findings.length > 0 ? "fails" : answer.verdict;
    const own = verdict === "fails" ? null : ownPart(proof, this.#path.ticket?.ticket);
    return { ...answer, beacon: proof.beacon, verdict, findings, own };
  }
}

/** @param {object} proof one whose form was checked @param {number | undefined} ticket */
function ownPart(proof, ticket) {
  if (ticket === undefined) return null;
  const hats = atob(proof.hats).charCodeAt(ticket);
  return { ticket, hats: Number.isNaN(hats) ? 0 : hats, place: proof.winners.indexOf(ticket) + 1 };
}
