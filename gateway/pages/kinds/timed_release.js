/**
 * The timed release: a countdown on the server's clock, one press at the opening, and then it is yours or it is gone.
 *
 *   countdown (the button waits) → claimable → claimed (in line, where the opening is metered) → admitted …
 *                                            → lost, missed (sold out; the waitlist is shown)
 *
 * The button is there before the opening and works from the exact instant on, whether or not the frame that says so
 * has come. Nobody needs a ticket before: a claim takes one.
 */

import * as say from "../room_words.js";
import { Kind } from "./kind.js";

const SOON_MS = 2_000; // the page is painted once a second; so near the opening it is painted at that instant
const TIMER_SLACK_MS = 2;

const OUTAGE = "Something on our side stopped for a moment. It goes on from here.";
const LOST_WORDS = [
  "Sold out",
  "Everything is in somebody’s basket. Claims were served in the order in which they came, and yours was too late.",
  "Sold out",
];

/** By state: headline, message and title. */
const STATES = {
  countdown: (screen) => [
    screen.releasedAt === null ? "Not open yet" : "Get ready",
    "The button works from the opening on, and not a moment before. Claims count in the order in which they come.",
    "Opening soon",
  ],
  claimable: (screen) => [
    "It’s open",
    screen.paused === "outage" ? OUTAGE : "Claim it now: claims are served in the order in which they come.",
    "Open",
  ],
  on_hold: (screen) => [
    screen.paused === "outage" ? "A short interruption" : "On hold",
    screen.paused === "outage" ? OUTAGE : "The shop is catching its breath. Stay here: it goes on in a moment.",
    "On hold",
  ],
  claimed: (screen) => [
    "Your claim is in",
    screen.paused === "outage" ? OUTAGE : "The shop lets people in one after another. Your turn comes by itself.",
    "Claimed",
  ],
  missed: () => ["Sold out", "Everything is in somebody’s basket, and nothing is left to claim.", "Sold out"],
  closed: () => ["This release is over", "It takes no more claims.", "Over"],
  admitted: () => ["It’s yours", "It is reserved for you until the time is over. Check out now.", "It’s yours"],
  expired: (screen) => [
    "Your time has passed",
    screen.mayRejoin
      ? "The time to check out is over. That happens: once, you may have your turn back, if anything is left."
      : "The time to check out is over.",
    "Your time has passed",
  ],
  left: () => ["You gave it away", "Thank you: somebody else can have it now.", "Given away"],
  lost: (screen) => (screen.reason === "sold_out" ? LOST_WORDS : say.lostWords(screen)),
};

export class TimedRelease extends Kind {
  static NAME = "Release";
  static WORDS = STATES;
  static CONTROLS = {
    claim: { label: "Claim yours" },
    rejoin: { label: "Have my turn back" },
    decline: {
      label: "I don’t want it any more",
      quiet: true,
      ask: {
        title: "Give it away?",
        text: "What is reserved for you is free again at once.",
        no: "Keep it",
        yes: "Give it away",
      },
    },
  };
  static FOOT_NOTE = "Claims count in the order in which they come. Reloading before the opening changes nothing.";

  #claimed = false;
  #timer = null;

  take(frame) {
    if (frame.type === "ticket") this.#claimed = frame.claimed === true;
  }

  forget() {
    this.#claimed = false;
  }

  state(now) {
    const { ticket, phase, refusal } = this.path;
    if (ticket !== null && ticket.state !== "waiting") return ticket.state;
    if (this.#claimed && ticket !== null) return "claimed";
    if (this.#isSoldOut()) return "missed";
    if (phase === "settling" || phase === "ended") return "closed";
    if (this.#opensAt() !== null ? now < this.#opensAt() : phase !== "open") return "countdown";
    if (this.path.paused !== null) return "on_hold";
    const barred = refusal !== null || !["open", undefined].includes(this.path.view.access);
    return ticket === null && barred ? super.state(now) : "claimable";
  }

  more() {
    return { releasedAt: this.#opensAt() };
  }

  controls(screen) {
    if (screen.state === "countdown") return [{ ...this.control("claim", { type: "claim" }), disabled: true }];
    if (screen.state === "claimable") return [this.control("claim", { type: "claim" })];
    if (screen.state === "claimed") return [];
    return super.controls(screen).filter(({ frame }) => frame.type !== "join");
  }

  show(page, screen, now) {
    const until = screen.releasedAt;
    page.figure("release-in", until === null ? "Soon" : say.clock(until - now));
    page.text("release-at", until === null ? "" : `until it opens, ${say.instant(until, now)}`);
    if (until === null || screen.state !== "countdown" || until - now > SOON_MS || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      page.soon();
    }, until - now + TIMER_SLACK_MS);
  }

  /** When it opens, while it has not (epoch ms); null when that is past, or by hand. */
  #opensAt() {
    const { phase, at, view } = this.path;
    if (phase === "scheduled") return view.opens_at ?? at; // `at` is when its lobby opens, if it has one
    return phase === "lobby" ? at : null;
  }

  #isSoldOut() {
    return this.path.soldOut || this.path.refusal?.reason === "sold_out";
  }
}
