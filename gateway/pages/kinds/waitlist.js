/**
 * The waitlist: stand on it, and whatever becomes free is offered to the next, for a while.
 *
 *   open → listed (how many are ahead; maybe: what one waits for has opened) → offered → claimed → admitted …
 *                                            offered to all → late (others were faster; it may come back)
 */

import * as say from "../room_words.js";
import { Kind } from "./kind.js";

const HURRY_MS = 60_000;
const KEPT = "You may close this page: your place is kept, and you are told here when something is free for you.";
const OUTAGE = "Something on our side stopped for a moment. Your place is safe.";

/** By state: headline, message and title. */
const STATES = {
  scheduled: () => ["The waitlist is not open yet", "Come back then, or stay here.", "Opens soon"],
  open: () => ["The waitlist", "Whatever becomes free is offered to the next on it. Joining binds you to nothing.", "Open"],
  full: () => ["The waitlist is full", "No more people can stand on it at the moment.", "Full"],
  closed: () => ["The waitlist is closed", "It takes nobody any more.", "Closed"],
  listed: (screen) => [
    screen.ahead === 0 ? "You are next on the waitlist" : "You are on the waitlist",
    screen.paused === "outage" ? OUTAGE : KEPT,
    screen.ahead === null ? "On the waitlist" : screen.ahead === 0 ? "You are next" : `${say.count(screen.ahead)} ahead`,
  ],
  offered: (screen) => [
    "It’s free for you",
    screen.toAll
      ? "Everybody on the waitlist has this offer: the first who take it get it."
      : "It is kept for you until the time is over. Take it, or pass it to the next.",
    "Free for you",
  ],
  late: () => ["Somebody was faster", "It may come back while your time lasts. Stay here: you see it at once.", "Just gone"],
  claimed: () => ["You took it", "It is kept for you, and your turn to check out comes by itself.", "Taken"],
  admitted: () => ["It’s yours", "It is reserved for you until the time is over. Check out now.", "It’s yours"],
  expired: (screen) => [
    "Your offer has run out",
    screen.reason === "not_claimed"
      ? "The time to take it is over, and it went to the next."
      : "The time to check out is over, and it went to the next.",
    "Offer over",
  ],
  left: (screen) =>
    screen.reason === "declined"
      ? ["You passed it on", "Thank you: it is offered to the next on the waitlist.", "Passed on"]
      : ["You left the waitlist", "You can join again, at the back.", "Left"],
  lost: (screen) =>
    screen.reason === "ended"
      ? ["The waitlist has ended", "Nothing became free for you this time. Thank you for waiting.", "Ended"]
      : say.lostWords(screen),
};

export class Waitlist extends Kind {
  static NAME = "Waitlist";
  static WORDS = STATES;
  static CONTROLS = {
    join: { label: "Join the waitlist" },
    again: { label: "Join the waitlist again" },
    claim: { label: "Take it" },
    leave: {
      label: "Leave the waitlist",
      quiet: true,
      ask: { title: "Leave the waitlist?", text: "You can join again, at the back.", no: "Stay on it", yes: "Leave" },
    },
    pass: {
      label: "Pass",
      quiet: true,
      ask: {
        title: "Pass it on?",
        text: "It is offered to the next, and your place on the waitlist ends with it.",
        no: "Keep my offer",
        yes: "Pass it on",
      },
    },
  };
  static FOOT_NOTE = "Whatever becomes free is offered in the order in which people joined. Everybody has one offer.";

  #offer = null;
  #claimed = false;
  #opened = null;

  take(frame) {
    if (frame.type === "offer") {
      this.#offer = frame;
      this.path.ticket = { ...this.path.ticket, path: this.path.id, state: "offered" };
    }
    if (frame.type === "announced") this.#opened = frame.source;
    if (frame.type === "ticket") {
      this.#claimed = frame.claimed === true;
      if (frame.state !== "waiting" && frame.state !== "offered") this.#opened = null;
    }
  }

  forget() {
    this.#offer = this.#opened = null;
    this.#claimed = false;
  }

  state(now) {
    if (this.path.ticket?.state !== "offered") return super.state(now);
    if (this.#claimed) return "claimed";
    return this.#offer?.gone ? "late" : "offered";
  }

  waiting(now) {
    return "listed";
  }

  more(now) {
    return { claimBy: this.#offer?.claim_by ?? null, toAll: this.#offer?.reserved === false, opened: this.#opened };
  }

  controls(screen) {
    const named = this.#offer === null ? {} : { offer: this.#offer.offer };
    const pass = this.control("pass", { type: "decline", ...named });
    if (screen.state === "offered") return [this.control("claim", { type: "claim", ...named }), pass];
    if (screen.state === "late") return [pass];
    if (screen.state === "listed") return [this.control("leave", { type: "leave" })];
    return super.controls(screen).filter(({ frame }) => frame.type !== "join" || this.path.phase === "open");
  }

  show(page, screen, now) {
    const left = Math.max(0, (screen.claimBy ?? now) - now);
    page.figure("offer-left", say.clock(left));
    page.$("offer-left").dataset.hurry = String(left < HURRY_MS);
    const opened = screen.state === "listed" ? screen.opened : null;
    page.list("list-opened", opened === null ? [] : [{ key: opened }], ({ key }) =>
      page.element("a", "It has opened: look now", { href: `#${key}`, class: "button" }),
    );
  }
}
