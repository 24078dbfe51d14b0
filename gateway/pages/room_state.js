/**
 * Where this consumer stands: frames in, one screen out. Pure: no document, no clock, no connection.
 *
 * Rules:
 * - A position changes only by a frame; between frames only the wait and the countdowns run, on the server's clock,
 *   which is an argument.
 * - Coming back after a lost link shows no hole (`Path.welcome`).
 * - One path is in focus: the one that the address names, else that of the ticket that is furthest on, else the first
 *   by priority (the order of `welcome`) among those whose phase leads on soonest.
 * - Joined by itself is only the path in focus when the page was opened, if its kind does so and nothing is to be chosen
 *   first, and only by who holds no ticket in any path: looking around joins nothing.
 */

import { JOIN_REFUSALS } from "./kinds/kind.js";
import { NOWHERE, Path } from "./room_path.js";

const LIVE_RANK = ["admitted", "redeemed", "offered", "held", "booked", "waiting"];
const ENDED_RANK = ["expired", "completed", "refused", "lost", "left"];
const PHASE_RANK = ["open", "lobby", "scheduled", "settling", "ended"];
const URGENT = ["admitted", "offered", "held"];

/** @typedef {{get(key: string): number | null, set(key: string, value: number): void}} Memory outlives a reload */

/** Follows the frames of one link. */
export class Standing {
  experience = null;
  notice = null;
  stock = new Map(); // by variant, the newest `stock`
  #paths = new Map();
  #chosen;
  #arrival = null; // the path in focus when the page was opened
  #who = ""; // of which level
  #ended = null; // why the link came to a terminal end
  #memory;

  /** @param {Memory} memory @param {string | null} chosen the path that the address names */
  constructor(memory, chosen = null) {
    this.#memory = memory;
    this.#chosen = chosen;
  }

  /** @param {import("./client.js").Frame} frame */
  take(frame) {
    if (frame.type === "welcome") this.#welcome(frame);
    if (frame.type === "notice") this.notice = frame;
    if (frame.type === "stock") this.stock.set(frame.variant, frame);
    const path = frame.path === undefined ? this.#meant(frame) : this.#path(frame.path);
    path?.take(frame);
    this.#settleJoining();
  }

  /** The consumer looks at another path; null: whichever is in focus by itself. @param {string | null} id */
  choose(id) {
    this.#chosen = id;
  }

  /** The link will not come back. @param {string} reason */
  end(reason) {
    this.#ended = reason;
  }

  /** A new try to join: what was refused before says nothing any more. @param {string | null} id */
  forgetRefusal(id) {
    const path = this.#paths.get(id);
    if (path !== undefined) path.refusal = null;
  }

  /** All paths that this consumer may see, in order. @returns {Path[]} */
  get paths() {
    return [...this.#paths.values()];
  }

  /** The path that the page speaks of. @returns {Path | null} */
  get focus() {
    return this.#paths.get(this.#chosen) ?? this.#furthest();
  }

  /** Another path than the one in focus where time runs out. @returns {Path | null} */
  get urgent() {
    const held = this.paths.filter((path) => path !== this.focus && URGENT.includes(path.ticket?.state));
    return held.length === 0 ? null : first(held, (path) => URGENT.indexOf(path.ticket.state));
  }

  /** The path that is to be joined now without a word: all facts are told, and it takes joins. @returns {Path | null} */
  get joinable() {
    const joins = (path) => path.joinsItself && path.told && path.refusal === null;
    return this.paths.find((path) => joins(path) && ["open", "lobby"].includes(path.phase)) ?? null;
  }

  /** @param {number} now server's clock, ms @returns {import("./room_path.js").Screen} */
  screen(now) {
    const screen = this.focus?.screen(now) ?? NOWHERE;
    if (this.#ended === null) return screen;
    return { ...screen, state: this.#ended === "not_found" ? "gone" : "error" };
  }

  /** The path that a frame without one is about: the joining that named none. */
  #meant(frame) {
    return frame.type === "error" && JOIN_REFUSALS.includes(frame.reason) ? this.focus : null;
  }

  #path(id) {
    if (!this.#paths.has(id)) this.#paths.set(id, new Path(id, undefined, this.#memory));
    return this.#paths.get(id);
  }

  #welcome(frame) {
    const before = this.#paths;
    this.#paths = new Map();
    this.#ended = null;
    this.experience = frame.experience;
    this.notice = frame.experience.notice ?? null;
    const known = JSON.stringify(frame.consumer) === this.#who;
    this.#who = JSON.stringify(frame.consumer);
    for (const view of frame.experience.paths) {
      const old = before.get(view.id);
      const path = old?.view.kind === view.kind ? old : new Path(view.id, view.kind, this.#memory);
      if (!known) path.refusal = null; // whoever has signed in may be let in
      this.#paths.set(view.id, path);
      path.welcome(view, frame.tickets.find((ticket) => ticket.path === view.id) ?? null);
    }
    for (const path of before.values()) if (path.ticket !== null && !this.#paths.has(path.id)) this.#keep(path);
    if (!this.#paths.has(this.#arrival)) this.#arrival = this.focus?.id ?? null;
  }

  /** A path that is not shown any more, where a ticket was held: its facts say what became of it. */
  #keep(path) {
    this.#paths.set(path.id, path);
    path.welcome(null, null);
  }

  #settleJoining() {
    const holds = this.paths.some((path) => path.ticket !== null);
    for (const path of this.#paths.values()) {
      const plain = path.kind.constructor.JOINS_ITSELF && path.choice.variants.length === 0;
      path.joinsItself = !holds && path.id === this.#arrival && plain;
    }
  }

  #furthest() {
    const ranked = [...LIVE_RANK, ...ENDED_RANK];
    const held = this.paths.filter((path) => path.ticket !== null);
    if (held.length > 0) return first(held, (path) => ranked.indexOf(path.ticket.state));
    return this.#paths.size === 0 ? null : first(this.paths, (path) => PHASE_RANK.indexOf(path.phase));
  }
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
