/**
 * The HTTP side of a link: session, status, commands and the event stream of one consumer in one experience.
 *
 * Rules: a network failure is an answer like any other (an `End`), never an exception; the session is a cookie on the
 * page's own origin and a bearer token everywhere else; every request has a time limit, the stream has the caller's.
 * It hands bodies over as they are: `client.js` decides what they mean for the link.
 */

import { ANSWER_WITHIN_MS, endOfAnswer } from "./client_rules.js";

/**
 * @typedef {import("./client_rules.js").End} End
 * @typedef {{end: End | null, body: any}} Answer `end` is null when the answer is good
 */

export class Api {
  #origin;
  #base;
  #cookies;
  #outside;
  #given;
  #held;
  /** The bearer token, where one is used. @type {string | null} */
  token;

  /** @param {object} options see `connect()` @param {object} outside see `browser()` */
  constructor(options, outside) {
    const page = globalThis.location?.origin ?? null;
    this.#origin = new URL(options.origin ?? page).origin;
    this.#base = `${this.#origin}/v1/experiences/${encodeURIComponent(options.experience)}`;
    this.#given = options.session !== undefined;
    this.#held = this.#given;
    this.#cookies = page === this.#origin && !this.#given;
    this.#outside = outside;
    this.token = options.session ?? null;
  }

  /** Whether a session that is over can be replaced: one that was given to us can not. */
  get mayRenew() {
    return !this.#given;
  }

  /** The address of the socket. @param {string} query */
  socketAddress(query) {
    return `${this.#base.replace(/^http/, "ws")}/live${query}`;
  }

  /** Forgets the session, so that the next `session()` makes a new one. */
  dropSession() {
    this.#held = this.#given;
  }

  /** Makes or renews the guest session, unless one is held. @returns {Promise<Answer>} */
  async session() {
    if (this.#held) return { end: null, body: {} };
    const answer = await this.#request("POST", `${this.#origin}/v1/session`, {});
    if (answer.end?.then === "session") answer.end = { then: "retry", reason: "session_over" };
    if (answer.end !== null) return answer;
    if (!this.#cookies) this.token = answer.body.session ?? null;
    this.#held = true;
    return answer;
  }

  /** @param {string} query @returns {Promise<Answer>} body: `{welcome, frames, poll_after_ms}` */
  async status(query) {
    return this.#request("GET", `${this.#base}/status${query}`);
  }

  /** @param {object} frame a client frame @returns {Promise<Answer>} body: the frame that answers, or the problem */
  async command(frame) {
    return this.#request("POST", `${this.#base}/commands`, frame);
  }

  /**
   * Reads the event stream to its end. @param {string} query @param {AbortSignal} signal
   * @param {(text: string) => void} onText @returns {Promise<End | null>} null: it ended in order
   */
  async events(query, signal, onText) {
    const headers = { accept: "text/event-stream", ...this.#authorization() };
    const init = { ...this.#credentials(), headers, signal };
    const answer = await this.#fetch(`${this.#base}/events${query}`, init);
    if (answer === null) return { then: "retry", reason: "offline" };
    const end = endOfAnswer(answer.status, answer.headers.get("retry-after"));
    if (end !== null) return end;
    const reader = answer.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const piece = await reader.read().catch(() => null);
      if (piece === null) return { then: "retry", reason: "connection_lost" };
      if (piece.done) return null;
      onText(decoder.decode(piece.value, { stream: true }));
    }
  }

  #authorization() {
    return this.token === null ? {} : { authorization: `Bearer ${this.token}` };
  }

  #credentials() {
    return { credentials: this.#cookies ? "same-origin" : "omit", cache: "no-store" };
  }

  /** @returns {Promise<Response | null>} null when the network fails, which is all that `fetch` rejects for here */
  async #fetch(address, init) {
    return this.#outside.fetch(address, init).catch(() => null);
  }

  /** @returns {Promise<Answer>} */
  async #request(method, address, content) {
    const headers = { accept: "application/json", ...this.#authorization() };
    const init = { method, headers, ...this.#credentials() };
    if (content !== undefined) {
      headers["content-type"] = "application/json";
      init.body = JSON.stringify(content);
    }
    const stop = new AbortController();
    const timer = this.#outside.setTimeout(() => stop.abort(), ANSWER_WITHIN_MS);
    const answer = await this.#fetch(address, { ...init, signal: stop.signal });
    const text = answer === null ? null : await answer.text().catch(() => null);
    this.#outside.clearTimeout(timer);
    if (text === null) return { end: { then: "retry", reason: "offline" }, body: {} };
    const end = endOfAnswer(answer.status, answer.headers.get("retry-after"));
    return { end, body: text.startsWith("{") ? JSON.parse(text) : {} };
  }
}
