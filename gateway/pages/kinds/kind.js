/**
 * What a path shows because of its kind. One file a kind, `kinds/<kind>.js`, with one class of this shape; `kinds.js`
 * lists them. This class is what any path shows, whatever its kind; a kind overrides only what differs, in this order.
 *
 * Rules:
 * - Pure: no document, no clock, no connection, but for `wire` and `show`, which are given the page.
 * - `Path` (room_path.js) has taken a frame before its kind does: `this.path` holds what all kinds have in common
 *   (`view` of `welcome`, `phase`, `at`, `paused`, `ticket`, `position`, `admitted`, `soldOut`, `refusal`).
 * - A fact is told again after every way back, and a state too: keep the newest of each, nothing else.
 *
 * To add a kind:
 * 1. The class, listed in `kinds.js`. `take` keeps the frames that only this kind has; `more` puts what they say on the
 *    screen; `state` names the state of the page, of its own (`leading`, `entered`) or one of the common ones below.
 *    States that a kind names itself have their sentences in `WORDS`: headline, message, and the short title that
 *    stands in the browser's tab and in the chooser of paths.
 * 2. Its parts of the page, in `room.html` inside `#stage` where they belong in reading order. `data-kind="auction"`:
 *    only where the path in focus is of that kind, or of one of several; `data-show="leading outbid"`: only in these
 *    states; both: both. A large figure stands above `#message`, forms and lists below it. Styles in
 *    `kinds/<kind>.css`, linked there.
 * 3. `controls`: the buttons below, and what each sends (the path is added). What needs an input has a form in the
 *    page: `wire` hangs its listener up once, `show` fills it whenever the screen is painted, at least once a second.
 *
 * Common states: `scheduled`, `open` (a control joins), `joining` (the page joins by itself), `full`, `closed`,
 * `needs_level`, `needs_code`, `not_for_you`, `limit`, `waiting`, `lobby`, `paused`, `sold_out`, and those of a ticket:
 * `admitted`, `redeemed`, `completed`, `expired`, `left`, `lost`, `refused`, `offered`, `held`, `booked`. In `waiting`,
 * `paused` and `sold_out` the page shows how many are ahead, the rope and the facts of a line: a kind whose waiting is
 * none names states of its own.
 */

import * as say from "../room_words.js";

const JOIN_REFUSED = {
  full: "full",
  closed: "closed",
  sold_out: "closed",
  already_done: "closed",
  needs_level: "needs_level",
  needs_code: "needs_code",
  bad_code: "needs_code",
  not_eligible: "not_for_you",
  limit_reached: "limit",
  refused: "refused",
};

/** Reasons of an `error` that say how the path stands for who has no ticket there. */
export const JOIN_REFUSALS = Object.keys(JOIN_REFUSED);

/**
 * @typedef {object} Control
 * @property {string} id of its element @property {object} frame what pressing sends
 * @property {string} label @property {boolean} [quiet] a lesser one @property {boolean} [disabled] seen, but not yet
 * @property {{title: string, text: string, no: string, yes: string}} [ask] what is asked first
 *
 * @typedef {object} Page what `wire` and `show` are given
 * @property {(id: string) => HTMLElement} $
 * @property {(id: string, value: string) => void} text writes only what has changed
 * @property {(id: string, value: string) => void} figure the same for a large figure, as large as its length allows
 * @property {(tag: string, words: string, attributes?: Record<string, string>) => HTMLElement} element makes one
 * @property {(id: string, items: {key: string}[], make: (item: object) => HTMLElement) => void} list the children of an
 *   element, one an item in their order; `make` builds one anew whenever anything in its item has changed
 * @property {(id: string, facts: {key: string, value: string}[]) => void} facts the same for a `dl`
 * @property {(frame: object) => Promise<import("../client.js").Frame | null>} press sends a command for the path in
 *   focus; the frame that answers, or null when it was refused (the page says why)
 * @property {(control: Control) => Promise<import("../client.js").Frame | null>} control the same for a control, whose
 *   question is asked first; null also when the answer was no
 * @property {(variant: string) => Promise<void>} choose wants another variant of what the path in focus sells
 * @property {() => import("../room_path.js").Path | null} focus
 * @property {() => void} soon paints anew, when something came that is no frame
 * @property {string} experience its id
 */

export class Kind {
  /** What the kind is called in the chooser. */
  static NAME = "Line";
  /** Whether opening the page joins: only where joining binds nobody and waiting longer costs a place. */
  static JOINS_ITSELF = false;
  /** @type {Record<string, (screen: import("../room_path.js").Screen) => [string, string, string]>} by state */
  static WORDS = {};
  /** Labels and questions of controls where they differ, by the control's name. */
  static CONTROLS = {};
  /** The line at the foot of the page: what is fair about it. */
  static FOOT_NOTE = "Everyone is served in the order they came. Reloading does not change your place.";

  /** @param {import("../room_path.js").Path} path */
  constructor(path) {
    this.path = path;
  }

  get footNote() {
    return this.constructor.FOOT_NOTE;
  }

  /** The path as a `welcome` shows it, at first and after every way back. @param {object} view */
  viewed(view) {}

  /** Takes a frame of this path. @param {import("../client.js").Frame} frame */
  take(frame) {}

  /** The ticket is another one or gone: what was told of it says nothing any more. */
  forget() {}

  /** The state of the page for this path. @param {number} now server's clock, ms */
  state(now) {
    const { path } = this;
    if (path.ticket !== null) return path.ticket.state === "waiting" ? this.waiting(now) : path.ticket.state;
    if (path.phase === "scheduled") return "scheduled";
    if (path.refusal !== null) return JOIN_REFUSED[path.refusal.reason];
    if (path.phase === "settling" || path.phase === "ended") return "closed";
    if (path.joinsItself) return "joining";
    return path.view.access ?? "open";
  }

  /** The same for a ticket that waits. @param {number} now */
  waiting(now) {
    if (this.path.phase === "lobby") return "lobby";
    if (this.path.paused !== null) return "paused";
    return this.path.soldOut ? "sold_out" : "waiting";
  }

  /** What the screen has beside what all kinds have. @param {number} now @returns {object} */
  more(now) {
    return {};
  }

  /** @param {import("../room_path.js").Screen} screen @returns {Control[]} */
  controls(screen) {
    const { state } = screen;
    if (state === "open") return [this.control("join", { type: "join" })];
    if (state === "expired" && screen.mayRejoin) return [this.control("rejoin", { type: "rejoin" })];
    const failed = state === "lost" && screen.reason === "failover";
    const comesBack = state === "expired" || state === "left" || failed;
    if (comesBack && this.path.phase !== "ended") return [this.control("join", { type: "join" }, "again")];
    if (state === "admitted") return [this.control("decline", { type: "decline" })];
    const waits = ["waiting", "paused", "sold_out", "lobby"].includes(state);
    return waits ? [this.control("leave", { type: "leave" })] : [];
  }

  /**
   * @param {string} id @param {object} frame @param {string} words their name in `CONTROLS`
   * @returns {Control}
   */
  control(id, frame, words = id) {
    return { id, frame, ...say.CONTROLS[words], ...this.constructor.CONTROLS[words] };
  }

  /** Hangs up the listeners of its own parts of the page, once. @param {Page} page */
  static wire(page) {}

  /** Fills its own parts of the page. @param {Page} page @param {import("../room_path.js").Screen} screen */
  show(page, screen, now) {}
}
