/**
 * The queue: first come, first served. All that is said of a line is common; this joins by itself. Who was there before
 * the opening, in the lobby, was ordered by lot, which anybody can check.
 */

import { Kind } from "./kind.js";
import { LotteryCheck } from "./lottery_check.js";

const LOBBY_NOTE =
  "Who is here before the opening is ordered by lot, and everyone else behind them as they come. Anybody can check it.";

export class Queue extends Kind {
  static NAME = "Queue";
  static JOINS_ITSELF = true;

  check = new LotteryCheck(this.path);

  get footNote() {
    return this.check.promises ? LOBBY_NOTE : Queue.FOOT_NOTE;
  }

  viewed(view) {
    this.check.viewed(view);
  }

  show(page) {
    const opened = ["open", "settling", "ended"].includes(this.path.phase);
    this.check.show(page, this.check.promises && opened);
  }
}
