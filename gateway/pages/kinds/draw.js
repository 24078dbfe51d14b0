/**
 * The draw: enter until the close, chance decides at `draw_at`, and anybody can check how it came out.
 *
 *   open → entered → sealed (entries are closed) → drawing (past `draw_at`: the order, or the beacon, is on its way)
 *        → won → admitted …, or reserve (the next in order move up) → admitted … or lost (not_drawn)
 *
 * Its words are in `draw_words.js`.
 */

import * as say from "../room_words.js";
import { CONTROLS, STATES, clockWords, factWords } from "./draw_words.js";
import { Kind } from "./kind.js";
import { LotteryCheck } from "./lottery_check.js";

const AFTER_THE_DRAW = ["admitted", "redeemed", "completed", "expired"];

export class Draw extends Kind {
  static NAME = "Draw";
  static WORDS = STATES;
  static CONTROLS = CONTROLS;
  static FOOT_NOTE = "Chance decides, and anybody can check it. When you enter makes no difference.";

  check = new LotteryCheck(this.path);
  #result = null;

  viewed(view) {
    this.check.viewed(view);
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

  show(page, screen, now) {
    this.#showClock(page, screen, now);
    page.facts("draw-facts", factWords(screen, now));
    this.check.show(page, screen.drawn);
  }

  #drawAt() {
    return this.path.view.draw_at ?? this.path.at;
  }

  #showClock(page, screen, now) {
    const until = screen.state === "open" ? screen.closesAt : screen.drawAt;
    page.figure("draw-in", until === null ? "Soon" : say.clock(until - now));
    page.text("draw-in-label", clockWords(screen.state, until, now));
  }
}
