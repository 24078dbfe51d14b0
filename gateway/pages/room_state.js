/**
 * Where this consumer stands: frames in, one screen out. Pure: no document, no clock, no connection.
 *
 * Rules:
 * - A frame is taken as it is; nothing is guessed. A position changes only by a frame; between frames only the wait
 *   and the countdowns run, on the server's clock, which is an argument.
 * - `welcome` starts anew, but what was known of a ticket stands until its facts are told, so that coming back after a
 *   lost link shows no hole. The facts come before the `phase` of their path: a ticket not told by then is gone.
 * - One screen at a time: of several tickets the one that is furthest on.
 */

const LIVE_RANK = ["admitted", "redeemed", "offered", "held", "booked", "waiting"];
const ENDED_RANK = ["expired", "completed", "refused", "lost", "left"];
const PHASE_RANK = ["open", "lobby", "scheduled", "settling", "ended"];
const JOIN_REFUSALS = {
  full: "full",
  closed: "closed",
  sold_out: "closed",
  already_done: "closed",
  needs_level: "needs_level",
  not_eligible: "needs_level",
  refused: "refused",
};

/**
 * @typedef {object} Screen
 * @property {string} state the state of the page: `connecting`, `waiting`, `admitted`, …
 * @property {string | null} path
 * @property {number | null} ahead @property {number | null} of @property {number | null} rate
 * @property {[number, number] | null} eta seconds from now
 * @property {number | null} progress 0 to 1, since this ticket was first seen
 * @property {string} why @property {number} faster sign of the last change of rate
 * @property {string | null} paused `merchant` or `outage`
 * @property {number | null} opensAt @property {number | null} windowFrom @property {number | null} expiresAt epoch ms
 * @property {string | null} checkoutUrl
 * @property {string} reason @property {boolean} mayRejoin
 */

/** Follows the frames of one link. */
export class Standing {
  experience = null;
  notice = null;
  #paths = new Map();
  #refusal = null;
  #ended = null; // why the link came to a terminal end
  #memory;

  /** @param {{get(key: string): number | null, set(key: string, value: number): void}} memory outlives a reload */
  constructor(memory) {
    this.#memory = memory;
  }

  /** @param {import("./client.js").Frame} frame */
  take(frame) {
    const path = frame.path === undefined ? null : this.#path(frame.path);
    switch (frame.type) {
      case "welcome":
        return this.#welcome(frame);
      case "phase":
        return this.#phase(path, frame);
      case "joined":
        this.#refusal = null;
        return this.#ticket(path, frame);
      case "ticket":
        return this.#ticket(path, frame);
      case "admitted":
        return this.#admitted(path, frame);
      case "position":
        return this.#position(path, frame);
      case "sold_out":
        path.soldOut = true;
        return undefined;
      case "stock":
        if (frame.band !== "none") for (const each of this.#paths.values()) each.soldOut = false;
        return undefined;
      case "notice":
        this.notice = frame;
        return undefined;
      case "error":
        if (frame.reason in JOIN_REFUSALS) this.#refusal = frame;
        return undefined;
      default:
        return undefined;
    }
  }

  /** The link will not come back. @param {string} reason */
  end(reason) {
    this.#ended = reason;
  }

  /** A new try to join: what was refused before says nothing any more. */
  forgetRefusal() {
    this.#refusal = null;
  }

  /** Whether the ticket has come to an end, which the consumer should see when the page is opened anew. */
  get isOver() {
    return ENDED_RANK.includes(this.#focus()?.ticket?.state);
  }

  /** Whether a ticket is held that still leads somewhere. */
  get isLive() {
    return LIVE_RANK.includes(this.#focus()?.ticket?.state);
  }

  /** Whether nothing is held, all facts told, and the path is open. */
  get couldJoin() {
    const path = this.#focus();
    return path !== null && path.ticket === null && path.told && path.phase === "open" && this.#refusal === null;
  }

  /** @param {number} now server's clock, ms @returns {Screen} */
  screen(now) {
    const path = this.#focus();
    const position = path?.position ?? null;
    return {
      state: this.#state(path),
      path: path?.id ?? null,
      ahead: position?.ahead ?? null,
      of: position?.of ?? null,
      rate: position?.rate ?? null,
      eta: path?.paused === null ? left(position, now) : null,
      progress: this.#progress(path),
      why: position?.why ?? "",
      faster: path?.faster ?? 0,
      paused: path?.paused ?? null,
      opensAt: path?.phase === "scheduled" || path?.phase === "lobby" ? path.at : null,
      windowFrom: path?.admitted?.now ?? null,
      expiresAt: path?.admitted?.expires_at ?? null,
      checkoutUrl: path?.admitted?.checkout_url ?? null,
      reason: path?.ticket?.reason ?? this.#refusal?.reason ?? "",
      mayRejoin: path?.ticket?.may_rejoin ?? false,
    };
  }

  #path(id) {
    if (!this.#paths.has(id)) {
      const unknown = { ticket: null, position: null, admitted: null, recalled: false, told: false };
      this.#paths.set(id, { id, phase: "open", at: null, paused: null, soldOut: false, faster: 0, ...unknown });
    }
    return this.#paths.get(id);
  }

  #welcome(frame) {
    const before = this.#paths;
    this.#paths = new Map();
    this.#ended = null;
    this.experience = frame.experience;
    this.notice = frame.experience.notice ?? null;
    for (const view of frame.experience.paths) {
      const paused = typeof view.paused === "string" ? view.paused : view.paused ? "merchant" : null;
      Object.assign(this.#path(view.id), { phase: view.phase, at: view.opens_at, paused });
    }
    for (const ticket of frame.tickets) this.#path(ticket.path).ticket = ticket;
    for (const old of before.values()) this.#recall(this.#path(old.id), old);
  }

  /** Takes over what was known before a `welcome`, unless that says that it is different now. */
  #recall(path, old) {
    if (old.ticket === null) return;
    const same = path.ticket?.ticket === old.ticket.ticket && path.ticket?.state === old.ticket.state;
    if (path.ticket !== null && !same) return;
    const { ticket, position, admitted, soldOut } = old;
    Object.assign(path, { ticket, position, admitted, soldOut, recalled: true });
  }

  #phase(path, frame) {
    Object.assign(path, { phase: frame.phase, at: frame.at, paused: frame.paused ?? null });
    if (path.paused === "outage") return; // the facts are late
    if (path.recalled) Object.assign(path, { ticket: null, position: null, admitted: null, recalled: false });
    path.told = true;
  }

  #ticket(path, frame) {
    path.recalled = false;
    const another = frame.ticket !== undefined && frame.ticket !== path.ticket?.ticket;
    if (another || frame.state !== "waiting") path.position = null;
    if (!["admitted", "redeemed"].includes(frame.state)) path.admitted = null;
    path.ticket = { path: path.id, ticket: frame.ticket ?? path.ticket?.ticket, state: frame.state };
    if (frame.reason !== undefined) path.ticket.reason = frame.reason;
    if (frame.may_rejoin !== undefined) path.ticket.may_rejoin = frame.may_rejoin;
  }

  #admitted(path, frame) {
    path.recalled = false;
    const moved = path.admitted?.admission === frame.admission;
    path.admitted = moved ? { ...frame, now: path.admitted.now } : frame;
    const redeemed = path.ticket?.state === "redeemed";
    path.ticket = { path: path.id, ticket: path.ticket?.ticket, state: redeemed ? "redeemed" : "admitted" };
    path.position = null;
    path.soldOut = false;
  }

  #position(path, frame) {
    if (path.position !== null && path.position.rate !== frame.rate) {
      path.faster = Math.sign(frame.rate - path.position.rate);
    }
    path.position = frame;
    if (path.ticket === null) return; // only watched
    const key = `${path.id}/${path.ticket.ticket}`;
    if ((this.#memory.get(key) ?? -1) < frame.ahead) this.#memory.set(key, frame.ahead);
  }

  #progress(path) {
    if (path?.position?.ahead === undefined || path.ticket === null) return null;
    const first = this.#memory.get(`${path.id}/${path.ticket.ticket}`) ?? path.position.ahead;
    return first === 0 ? 1 : 1 - path.position.ahead / (first + 1);
  }

  /** The path that the page speaks of: of the ticket that is furthest on, else the one that can be joined first. */
  #focus() {
    const all = [...this.#paths.values()];
    const ranked = [...LIVE_RANK, ...ENDED_RANK];
    const held = all.filter((path) => path.ticket !== null);
    if (held.length > 0) return first(held, (path) => ranked.indexOf(path.ticket.state));
    return all.length === 0 ? null : first(all, (path) => PHASE_RANK.indexOf(path.phase));
  }

  #state(path) {
    if (this.#ended === "not_found") return "gone";
    if (this.#ended !== null) return "error";
    if (path === null) return "connecting";
    if (path.ticket !== null) return path.ticket.state === "waiting" ? waitingState(path) : path.ticket.state;
    if (this.#refusal !== null && path.phase !== "scheduled") return JOIN_REFUSALS[this.#refusal.reason];
    if (path.phase === "scheduled") return "scheduled";
    return path.phase === "settling" || path.phase === "ended" ? "closed" : "joining";
  }
}

function waitingState(path) {
  if (path.phase === "lobby") return "lobby";
  if (path.paused !== null) return "paused";
  return path.soldOut ? "sold_out" : "waiting";
}

/** What is left of the wait that was told. @returns {[number, number] | null} seconds */
function left(position, now) {
  if (position === null || position.eta === null) return null;
  const passed = Math.max(0, (now - position.now) / 1000);
  return position.eta.map((seconds) => Math.max(0, seconds - passed));
}

function first(paths, rank) {
  return paths.reduce((best, path) => (rank(path) < rank(best) ? path : best));
}

/** Spaces the words for screen readers: at once when it is about something else, else at most once in `EVERY_MS`. */
export class Announcer {
  static EVERY_MS = 20_000;
  #matter = null;
  #text = "";
  #at = -Infinity;

  /**
   * @param {string} matter what it is about @param {string} text @param {number} now any clock, ms
   * @returns {string | null} what to say now
   */
  next(matter, text, now) {
    const due = matter !== this.#matter || (text !== this.#text && now - this.#at >= Announcer.EVERY_MS);
    if (!due) return null;
    this.#matter = matter;
    this.#text = text;
    this.#at = now;
    return text;
  }
}
