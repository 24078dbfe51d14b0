/**
 * One path as this consumer sees it: frames in, one screen out. Pure: no document, no clock, no connection.
 *
 * It keeps what all kinds have in common (phase, ticket, position, checkout window); what only one kind has is its own
 * (`kinds/kind.js`). A frame is taken as it is; nothing is guessed.
 */

import { JOIN_REFUSALS } from "./kinds/kind.js";
import { kindOf } from "./kinds/kinds.js";
import { Choice } from "./room_choice.js";

/**
 * @typedef {object} Screen what is shown of one path; a kind adds its own (`more`)
 * @property {string} state the state of the page: `connecting`, `waiting`, `admitted`, …
 * @property {string | null} path @property {boolean} joinsItself whether the page joins it without being told
 * @property {number | null} ahead @property {number | null} of @property {number | null} rate
 * @property {[number, number] | null} eta seconds from now
 * @property {number | null} progress 0 to 1, since this ticket was first seen
 * @property {string} why @property {number} faster sign of the last change of rate
 * @property {string | null} paused `merchant` or `outage`
 * @property {number | null} opensAt @property {number | null} closesAt @property {number | null} windowFrom
 * @property {number | null} expiresAt epoch ms
 * @property {string | null} checkoutUrl
 * @property {string} reason @property {boolean} mayRejoin
 */

/** What an address without a path shows. @type {Screen} */
export const NOWHERE = Object.freeze({
  state: "connecting",
  path: null,
  joinsItself: false,
  ...{ ahead: null, of: null, rate: null, eta: null, progress: null, why: "", faster: 0, paused: null },
  ...{ opensAt: null, closesAt: null, windowFrom: null, expiresAt: null, checkoutUrl: null },
  ...{ reason: "", mayRejoin: false },
});

export class Path {
  view = {};
  phase = "open";
  at = null; // when the next phase begins
  paused = null;
  soldOut = false;
  ticket = null;
  position = null;
  admitted = null;
  refusal = null; // the error that says how the path stands for who has no ticket
  told = false; // all facts of it, since the last `welcome`
  joinsItself = false; // `Standing` says so
  #faster = 0;
  #recalled = false;
  #wentBack = false; // a failure has undone what was told last
  #memory;

  /** @param {string} id @param {string | undefined} kind @param {import("./room_state.js").Memory} memory */
  constructor(id, kind, memory) {
    this.id = id;
    this.kind = new (kindOf(kind))(this);
    this.choice = new Choice(this);
    this.#memory = memory;
  }

  /** How the path is called. */
  get name() {
    return this.view.name ?? this.kind.constructor.NAME;
  }

  /**
   * A `welcome` starts anew, but what was known of a ticket stands until its facts are told, unless the `welcome` says
   * that it is different now.
   * @param {object | null} view null: the path is not shown any more @param {object | null} ticket
   */
  welcome(view, ticket) {
    if (view !== null) {
      const paused = typeof view.paused === "string" ? view.paused : view.paused ? "merchant" : null;
      const at = view.phase === "open" ? view.closes_at : view.opens_at;
      Object.assign(this, { view, phase: view.phase, at, paused });
      this.kind.viewed(view);
    }
    this.told = false;
    const known = this.ticket;
    const same = ticket === null || (ticket.ticket === known?.ticket && ticket.state === known?.state);
    this.#recalled = known !== null && same;
    if (this.#recalled) return;
    this.#forget();
    this.ticket = ticket;
  }

  /** @param {import("./client.js").Frame} frame */
  take(frame) {
    this.#takeCommon(frame);
    this.choice.take(frame);
    this.kind.take(frame);
  }

  /** @param {number} now server's clock, ms @returns {Screen} */
  screen(now) {
    const { position, admitted } = this;
    const begins = this.phase === "scheduled" || this.phase === "lobby";
    return {
      ...this.kind.more(now),
      state: this.kind.state(now),
      path: this.id,
      joinsItself: this.joinsItself,
      ahead: position?.ahead ?? null,
      of: position?.of ?? null,
      rate: position?.rate ?? null,
      eta: this.paused === null ? left(position, now) : null,
      progress: this.#progress(),
      why: position?.why ?? (this.#wentBack ? "failover" : ""),
      faster: this.#faster,
      paused: this.paused,
      opensAt: begins ? this.at : null,
      closesAt: this.phase === "open" ? this.at : null,
      windowFrom: admitted?.now ?? null,
      expiresAt: admitted?.expires_at ?? null,
      checkoutUrl: admitted?.checkout_url ?? null,
      reason: this.ticket?.reason ?? this.refusal?.reason ?? "",
      mayRejoin: this.phase !== "ended" && (this.ticket?.may_rejoin ?? false),
    };
  }

  /** The buttons of a screen. @param {Screen} screen @returns {import("./kinds/kind.js").Control[]} */
  controls(screen) {
    return this.kind.controls(screen).map((control) => this.choice.named(control));
  }

  #takeCommon(frame) {
    switch (frame.type) {
      case "phase":
        return this.#phase(frame);
      case "joined":
        this.refusal = null;
        return this.#ticket(frame);
      case "ticket":
        return this.#ticket(frame);
      case "admitted":
        return this.#admitted(frame);
      case "position":
        return this.#position(frame);
      case "sold_out":
        return this.#supply(frame.over !== true);
      case "error":
        if (JOIN_REFUSALS.includes(frame.reason)) this.refusal = frame;
        return undefined;
      default:
        return undefined;
    }
  }

  /** Sold out until that is told to be over. Whoever was refused for it may try again then. @param {boolean} soldOut */
  #supply(soldOut) {
    this.soldOut = soldOut;
    if (!soldOut && this.refusal?.reason === "sold_out") this.refusal = null;
  }

  #forget() {
    this.#wentBack = false;
    Object.assign(this, { ticket: null, position: null, admitted: null, soldOut: false });
    this.kind.forget();
    this.choice.forget();
  }

  /** The facts come before the `phase` of their path: a ticket not told by then is gone. */
  #phase(frame) {
    Object.assign(this, { phase: frame.phase, at: frame.at, paused: frame.paused ?? null });
    if (this.paused === "outage") return; // the facts are late
    if (this.#recalled) this.#forget();
    this.#recalled = false;
    if (!this.told) this.soldOut = false; // since the last `welcome` nobody has said so
    this.told = true;
  }

  #ticket(frame) {
    this.#recalled = false;
    const another = frame.ticket !== undefined && frame.ticket !== this.ticket?.ticket;
    if (another && this.ticket !== null) {
      this.kind.forget();
      this.choice.forget();
    }
    if (another || frame.state !== "waiting") this.position = null;
    if (!["admitted", "redeemed"].includes(frame.state)) this.admitted = null;
    if (frame.type === "ticket") {
      this.#wentBack = frame.reason === "failover" && frame.state !== "lost";
      if (this.#wentBack) this.kind.forget(); // what still holds is told again
    }
    this.ticket = { path: this.id, ticket: frame.ticket ?? this.ticket?.ticket, state: frame.state };
    if (frame.reason !== undefined) this.ticket.reason = frame.reason;
    if (frame.may_rejoin !== undefined) this.ticket.may_rejoin = frame.may_rejoin;
  }

  #admitted(frame) {
    this.#recalled = false;
    const moved = this.admitted?.admission === frame.admission;
    this.admitted = moved ? { ...frame, now: this.admitted.now } : frame;
    const redeemed = this.ticket?.state === "redeemed";
    this.ticket = { path: this.id, ticket: this.ticket?.ticket, state: redeemed ? "redeemed" : "admitted" };
    this.#wentBack = false;
    this.position = null;
  }

  #position(frame) {
    const before = this.position?.rate ?? frame.rate;
    if (before !== frame.rate) this.#faster = Math.sign(frame.rate - before);
    this.position = frame;
    if (this.ticket === null) return; // only watched
    const key = `${this.id}/${this.ticket.ticket}`;
    if ((this.#memory.get(key) ?? -1) < frame.ahead) this.#memory.set(key, frame.ahead);
  }

  #progress() {
    if (this.position?.ahead === undefined || this.ticket === null) return null;
    const first = this.#memory.get(`${this.id}/${this.ticket.ticket}`) ?? this.position.ahead;
    return first === 0 ? 1 : 1 - this.position.ahead / (first + 1);
  }
}

/** What is left of the wait that was told. @returns {[number, number] | null} seconds */
function left(position, now) {
  const eta = position?.eta ?? null; // in a lobby only `of` is told
  if (eta === null) return null;
  const passed = Math.max(0, (now - position.now) / 1000);
  return eta.map((seconds) => Math.max(0, seconds - passed));
}
