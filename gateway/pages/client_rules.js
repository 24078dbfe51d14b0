/**
 * The rules of a link, pure: when to come back, what an ending means, what time it is at the server.
 *
 * Why: these are what can be wrong in a quiet way, so they are plain functions of their arguments, tested one by one.
 * `client.js` is the link that keeps them and hands them on to whoever imports it.
 */

export const SUBPROTOCOL = "stanchion.v1";
export const BACKOFF_BASE_MS = 500;
export const BACKOFF_CAP_MS = 15_000;
export const FIRST_RETRY_MIN_MS = 100;
export const FIRST_RETRY_MAX_MS = 500;
export const STABLE_AFTER_MS = 10_000; // a link that lived this long starts again without back-off
export const WELCOME_WITHIN_MS = 10_000;
export const ANSWER_WITHIN_MS = 10_000;
export const SILENCE_MS = 75_000; // the server speaks at least every 45 s
export const SOCKET_FAILURES_MAX = 3;
export const EVENTS_FAILURES_MAX = 2;
export const CLIMB_AFTER_MS = 120_000;
export const POLL_MIN_MS = 1_000;
export const POLL_MAX_MS = 60_000;

/**
 * @typedef {{type: string, path?: string, now?: number, ref?: string, [field: string]: any}} Frame
 * @typedef {"connecting" | "live" | "waiting" | "ended"} LinkPhase
 * @typedef {"socket" | "events" | "poll"} Transport
 * @typedef {{phase: LinkPhase, transport: Transport, reason: string, retryAt: number | null}} LinkState
 *   `retryAt`: when the next attempt is due (server's clock, ms), while `phase` is `waiting`.
 * @typedef {{then: "retry" | "return" | "session" | "stop", reason: string, afterMs?: number}} End
 *   What the end of a link asks for: back-off, an orderly return, a new session, or nothing more.
 */

/** Delay before attempt `failures` + 1, in ms: 100–500 after a first failure, then full jitter up to the cap. */
export function backoffMs(failures, random = Math.random) {
  if (failures <= 1) return FIRST_RETRY_MIN_MS + random() * (FIRST_RETRY_MAX_MS - FIRST_RETRY_MIN_MS);
  return random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.min(failures - 1, 16));
}

/** What a close code asks for. @returns {End} */
export function endOfSocket(code) {
  if (code === 1012 || code === 1001) return { then: "return", reason: "restarting" };
  if (code === 4401) return { then: "session", reason: "session_over" };
  if (code === 4403) return { then: "stop", reason: "not_eligible" };
  if (code === 4404) return { then: "stop", reason: "not_found" };
  if (code >= 4500 && code <= 4599) return { then: "retry", reason: "busy" };
  return { then: "retry", reason: "connection_lost" };
}

/** What an HTTP answer asks for; `retryAfter` is the header, in seconds. Null: it is good. @returns {End | null} */
export function endOfAnswer(status, retryAfter = null) {
  if (status >= 200 && status < 300) return null;
  if (status === 401) return { then: "session", reason: "session_over" };
  if (status === 403) return { then: "stop", reason: "not_eligible" };
  if (status === 404 || status === 410) return { then: "stop", reason: "not_found" };
  const seconds = Number.parseFloat(retryAfter ?? "");
  if (Number.isFinite(seconds) && seconds >= 0) return { then: "retry", reason: "busy", afterMs: seconds * 1000 };
  return { then: "retry", reason: status === 429 || status === 503 ? "busy" : "engine_away" };
}

/**
 * The offset of the server's clock from ours, as the interval that every sample leaves possible.
 *
 * A stamp that arrives at `received` cannot have been made later than that, so `stamp - received` is a lower bound; if
 * it answers what we sent at `sent`, `stamp - sent` is an upper one. A sample that contradicts the interval means that
 * a clock moved (a laptop slept): it starts a new one.
 */
export class Clock {
  #low = -Infinity;
  #high = Infinity;

  /** @param {number} stamp server's ms @param {number} received our ms @param {number | null} sent our ms */
  sample(stamp, received, sent = null) {
    const low = stamp - received;
    const high = sent === null ? Infinity : stamp - sent;
    const moved = low > this.#high || high < this.#low;
    this.#low = moved ? low : Math.max(this.#low, low);
    this.#high = moved ? high : Math.min(this.#high, high);
  }

  /** Null before the first sample. @returns {number | null} ms to add to our clock */
  get offset() {
    if (this.#low === -Infinity) return null;
    return this.#high === Infinity ? this.#low : (this.#low + this.#high) / 2;
  }
}

/** Takes a Server-Sent Events stream apart: text in pieces in, the `data` of whole events out. */
export class EventReader {
  #rest = "";

  /** @param {string} text @returns {string[]} */
  feed(text) {
    const blocks = (this.#rest + text).replaceAll("\r\n", "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    const datas = blocks.map((block) =>
      block
        .split("\n")
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(line[5] === " " ? 6 : 5))
        .join("\n"),
    );
    return datas.filter((data) => data !== "");
  }
}

/** An `error` frame or problem document that answers a command. */
export class Refused extends Error {
  /** @param {Frame} frame */
  constructor(frame) {
    super(`refused: ${frame.reason}`);
    this.name = "Refused";
    this.reason = frame.reason;
    this.temporary = Boolean(frame.temporary);
    this.frame = frame;
  }
}
