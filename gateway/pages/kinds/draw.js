/**
 * The draw: enter until the close, chance decides at `draw_at`, and anybody can check how it came out.
 *
 *   open → entered → sealed (entries are closed) → drawing (past `draw_at`: the order, or the beacon, is on its way)
 *        → won → admitted …, or reserve (the next in order move up) → admitted … or lost (not_drawn)
 *
 * Its words are in `draw_words.js`, the checking in `draw_checking.js`.
 */

import * as say from "../room_words.js";
import { Checking } from "./draw_checking.js";
import { CONTROLS, STATES, checkingWords, clockWords, factWords } from "./draw_words.js";
import { Kind } from "./kind.js";

const AFTER_THE_DRAW = ["admitted", "redeemed", "completed", "expired"];

export class Draw extends Kind {
  static NAME = "Draw";
  static WORDS = STATES;
  static CONTROLS = CONTROLS;
  static FOOT_NOTE = "Chance decides, and anybody can check it. When you enter makes no difference.";

  #result = null;
  #checking = new Checking();

  viewed(view) {
    this.#checking.promised(view.commitment);
  }

  take(frame) {
    if (frame.type === "draw_result") this.#result = frame;
  }

  forget() {
    this.#result = null;
  }

  waiting(now) {
    if (this.#result !== null) return this.#result.won ? "won" : "reserve";
    if (this.path.phase === "open") return "entered";
    return now < this.#drawAt() ? "sealed" : "drawing";
  }

  more() {
    const { ticket, view, phase } = this.path;
    const told = this.#result !== null || AFTER_THE_DRAW.includes(ticket?.state) || ticket?.reason === "not_drawn";
    return {
      drawAt: this.#drawAt(),
      drawn: told || phase === "ended",
      result: this.#result,
      winners: this.#result?.winners ?? view.details?.winner_count ?? null,
      beacon: view.details?.beacon ?? null,
      isOver: phase === "ended",
      canEnter: phase === "open",
    };
  }

  controls(screen) {
    if (screen.state === "entered") return [this.control("leave", { type: "leave" })];
    return super.controls(screen).filter(({ frame }) => frame.type !== "join" || screen.canEnter);
  }

  static wire(page) {
    page.$("draw-check-start").addEventListener("click", () => void page.focus().kind.check(page));
  }

  /** Draws again in a worker, and shows how far it is. @param {import("./kind.js").Page} page */
  async check(page) {
    await this.#checking.run(this.#proofAddress(page), this.path.ticket?.ticket ?? null, page.soon);
    page.soon();
  }

  show(page, screen, now) {
    this.#showClock(page, screen, now);
    page.list("draw-facts", factWords(screen, now), ({ key, value }) => {
      const fact = page.element("div", "");
      fact.append(page.element("dt", key), page.element("dd", value));
      return fact;
    });
    this.#showChecking(page, screen);
  }

  #proofAddress(page) {
    return `/v1/experiences/${page.experience}/paths/${this.path.id}/proof`;
  }

  #drawAt() {
    return this.path.view.draw_at ?? this.path.at;
  }

  #showClock(page, screen, now) {
    const until = screen.state === "open" ? screen.closesAt : screen.drawAt;
    page.figure("draw-in", until === null ? "Soon" : say.clock(until - now));
    page.text("draw-in-label", clockWords(screen.state, until, now));
  }

  #showChecking(page, screen) {
    const { state, done, total, answer } = this.#checking;
    const said = checkingWords(this.#checking);
    page.$("draw-check").hidden = !screen.drawn;
    page.$("draw-proof").setAttribute("href", this.#proofAddress(page));
    page.$("draw-check").dataset.verdict = answer?.verdict ?? "";
    page.$("draw-check-start").disabled = state === "running";
    page.$("draw-check-progress").hidden = state !== "running";
    page.$("draw-check-progress").max = Math.max(1, total);
    page.$("draw-check-progress").value = done;
    page.text("draw-check-said", said.verdict);
    page.$("draw-check-said").hidden = said.verdict === "";
    page.list("draw-check-findings", said.findings, ({ text }) => page.element("li", text));
  }
}
