/**
 * The client library of Stanchion: one consumer's live link to one experience.
 *
 * Why: a waiting room lives on phones, in trains and behind odd proxies. Whoever writes a page for it should handle
 * frames, not connections. This module keeps the link up and hands every frame over, newest state first.
 *
 * Rules:
 * - A place is never tied to a connection: losing the link loses nothing, so every way back is calm (full jitter).
 * - What the server says about coming back (`reconnect`, a close code, `Retry-After`) goes before our own back-off.
 * - A browser cannot see why a handshake was refused, so after one `GET …/status` is asked and obeyed.
 * - Socket first, then Server-Sent Events, then polling; what is poorer is left again after CLIMB_AFTER_MS.
 * - `join` is asked for until a ticket is known, and not after it: coming back must never queue a consumer anew.
 * - Time is the server's: `serverNow()` holds however wrong the clock of the device is.
 *
 * No dependency, no build step. What is outside (WebSocket, fetch, clock, timers, chance) can be given as `outside`,
 * so it runs under Node as well. `client_rules.js` holds the pure rules, `client_api.js` the HTTP side.
 *
 *   import { connect } from "/pages/client.js";
 *   const link = connect({ experience: "demo", join: [""], onFrame: (frame) => console.log(frame) });
 *   await link.command({ type: "leave", path: "general" });
 */

import { Api } from "./client_api.js";
import {
  ANSWER_WITHIN_MS,
  CLIMB_AFTER_MS,
  Clock,
  EVENTS_FAILURES_MAX,
  EventReader,
  FIRST_RETRY_MAX_MS,
  POLL_MAX_MS,
  POLL_MIN_MS,
  Refused,
  SILENCE_MS,
  SOCKET_FAILURES_MAX,
  STABLE_AFTER_MS,
  SUBPROTOCOL,
  WELCOME_WITHIN_MS,
  backoffMs,
  endOfSocket,
} from "./client_rules.js";

export * from "./client_rules.js";

/**
 * @typedef {import("./client_rules.js").Frame} Frame
 * @typedef {import("./client_rules.js").LinkState} LinkState
 * @typedef {import("./client_rules.js").End} End
 */

/** What this module needs from outside, taken from the global scope: the only place that touches it. */
export function browser() {
  return {
    WebSocket: globalThis.WebSocket,
    fetch: (address, init) => globalThis.fetch(address, init),
    now: () => globalThis.performance.now(),
    setTimeout: (call, ms) => globalThis.setTimeout(call, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer),
    random: Math.random,
  };
}

/**
 * Opens a link and keeps it open until `close()` or a terminal answer.
 *
 * @param {object} options
 * @param {string} options.experience id of the experience
 * @param {string} [options.origin] where the gateway is; default: the page's own origin
 * @param {string[]} [options.join] paths to join; "" means by priority
 * @param {string[]} [options.watch] paths only to watch
 * @param {string} [options.session] a bearer token; without it a guest session is made (cookie; bearer across origins)
 * @param {(frame: Frame) => void} [options.onFrame]
 * @param {(state: LinkState) => void} [options.onState]
 * @param {object} [options.outside] replaces parts of `browser()`
 * @returns {Link}
 */
export function connect(options) {
  const link = new Link(options);
  link.open();
  return link;
}

/** One consumer's link. Events: `frame` (detail: Frame) and `state` (detail: LinkState). */
export class Link extends EventTarget {
  #options;
  #outside;
  #api;
  #clock = new Clock();
  #latest = new Map();
  #pending = new Map();
  #wanted;
  #state = Object.freeze({ phase: "connecting", transport: "socket", reason: "", retryAt: null });
  #life = null; // an object as long as the link is open; another one after it was opened again
  #socket = null;
  #finish = () => {}; // ends the running transport with an End
  #endPause = () => {}; // ends a pause early, where it may
  #pollSoon = () => {}; // a command was answered: what it changed is in the next poll
  #failures = 0; // since the link was last stable: drives the back-off
  #socketFailures = 0;
  #eventsFailures = 0;
  #returnAt = 0; // our ms: not before this after an orderly close
  #heardAt = 0;
  #welcomed = false;
  #ref = 0;

  constructor(options) {
    super();
    this.#options = options;
    this.#outside = { ...browser(), ...options.outside };
    this.#api = new Api(options, this.#outside);
    this.#wanted = [...(options.join ?? [])];
  }

  /** @returns {LinkState} */
  get state() {
    return this.#state;
  }

  /** The server's clock, epoch ms; the device's own until a first frame has told better. */
  serverNow() {
    const offset = this.#clock.offset;
    return offset === null ? Date.now() : this.#outside.now() + offset;
  }

  /** The newest frame of every type for a path ("" for frames without one). @returns {Record<string, Frame>} */
  latest(path = "") {
    return { ...this.#latest.get(path) };
  }

  /** Starts, or starts again after `close()`. */
  open() {
    if (this.#life !== null) return;
    this.#life = {};
    void this.#run(this.#life);
  }

  /** Ends the link; the place stays. */
  close() {
    if (this.#life === null) return;
    this.#life = null;
    this.#finish({ then: "stop", reason: "closed" });
    this.#endPause();
    this.#show("ended", "closed");
  }

  /** The network or the page is back: does not wait out a back-off, but does wait out what the server asked for. */
  wake() {
    this.#endPause();
    if (this.#socket !== null && this.#welcomed) void this.#probe(this.#finish);
  }

  /**
   * Sends a command and waits for its answer.
   * @param {Frame} frame a client frame without `ref`
   * @returns {Promise<Frame>} the frame that answers; rejects with `Refused`
   */
  async command(frame) {
    return this.#socket !== null && this.#welcomed ? this.#commandOverSocket(frame) : this.#commandOverHttp(frame);
  }

  // --- the loop: one attempt after the other, until one is terminal ---

  async #run(life) {
    while (this.#life === life) {
      const startedAt = this.#outside.now();
      const end = await this.#attempt(life);
      if (this.#life !== life) return;
      this.#giveUpPending();
      if (end.then === "stop" || (end.then === "session" && !this.#api.mayRenew)) {
        this.#life = null;
        return this.#show("ended", end.reason);
      }
      if (end.then === "session") this.#api.dropSession();
      this.#count(end, this.#welcomed && this.#outside.now() - startedAt > STABLE_AFTER_MS);
      await this.#pause(end, life);
    }
  }

  /** @returns {Promise<End>} */
  async #attempt(life) {
    this.#welcomed = false;
    const transport = this.#transport();
    this.#show("connecting", "", transport);
    const session = await this.#api.session();
    if (session.end !== null || this.#life !== life) return session.end;
    if (transport === "socket") return this.#overSocket(life);
    return transport === "events" ? this.#overEvents() : this.#overPolls();
  }

  #transport() {
    if (this.#socketFailures < SOCKET_FAILURES_MAX && this.#outside.WebSocket) return "socket";
    return this.#eventsFailures < EVENTS_FAILURES_MAX ? "events" : "poll";
  }

  /** A transport that never lives long is worn out: some proxies let a socket open and then cut it. */
  #count(end, stable) {
    this.#failures = stable ? 1 : this.#failures + 1;
    const worn = ["connection_lost", "no_welcome"].includes(end.reason);
    if (this.#state.transport === "socket") this.#socketFailures = stable ? 0 : this.#socketFailures + Number(worn);
    if (this.#state.transport === "events") this.#eventsFailures = stable ? 0 : this.#eventsFailures + Number(worn);
  }

  /** Back to the best transport; one more failure there brings us straight down again. @returns {End} */
  #climb() {
    this.#socketFailures = Math.min(this.#socketFailures, SOCKET_FAILURES_MAX - 1);
    this.#eventsFailures = Math.min(this.#eventsFailures, EVENTS_FAILURES_MAX - 1);
    return { then: "return", reason: "climbing" };
  }

  #pauseMs(end) {
    const backoff = backoffMs(this.#failures, this.#outside.random);
    const jitter = this.#failures > 2 ? backoff : this.#outside.random() * FIRST_RETRY_MAX_MS;
    if (end.afterMs !== undefined) return end.afterMs + jitter;
    return end.then === "return" ? Math.max(0, this.#returnAt - this.#outside.now()) + jitter : backoff;
  }

  async #pause(end, life) {
    const ms = this.#pauseMs(end);
    if (end.reason !== "climbing") this.#show("waiting", end.reason, this.#state.transport, this.serverNow() + ms);
    const mayHurry = end.afterMs === undefined && end.then !== "return";
    await new Promise((resolve) => {
      const timer = this.#outside.setTimeout(resolve, ms);
      this.#endPause = () => {
        if (!mayHurry && this.#life === life) return;
        this.#outside.clearTimeout(timer);
        resolve();
      };
    });
    this.#endPause = () => {};
  }

  // --- transports: each ends in an End ---

  #query(join) {
    const query = new URLSearchParams();
    for (const path of join) query.append("join", path);
    for (const path of this.#options.watch ?? []) query.append("watch", path);
    const text = query.toString();
    return text === "" ? "" : `?${text}`;
  }

  /** @returns {Promise<End>} */
  async #overSocket(life) {
    const token = this.#api.token;
    const protocols = token === null ? [SUBPROTOCOL] : [SUBPROTOCOL, `bearer.${token}`];
    const socket = new this.#outside.WebSocket(this.#api.socketAddress(this.#query(this.#wanted)), protocols);
    const sent = this.#outside.now();
    this.#socket = socket;
    socket.onmessage = (event) => this.#receive(JSON.parse(event.data), this.#welcomed ? null : sent);
    const end = await this.#untilFinished((finish) => {
      const lost = { then: "retry", reason: "no_welcome" };
      socket.onclose = ({ code }) => finish(this.#welcomed || code >= 1012 ? endOfSocket(code) : lost);
    });
    this.#socket = null;
    socket.onmessage = null;
    socket.onclose = null;
    socket.close();
    return end.reason === "no_welcome" && this.#life === life ? this.#whyRefused(end) : end;
  }

  /** After a handshake that failed: the status says why, and meanwhile what stands. @returns {Promise<End>} */
  async #whyRefused(end) {
    const answer = await this.#status();
    return answer.end ?? end;
  }

  /** @returns {Promise<End>} */
  async #overEvents() {
    const stop = new AbortController();
    const events = new EventReader();
    const sent = this.#outside.now();
    const onText = (text) => {
      this.#heardAt = this.#outside.now();
      for (const data of events.feed(text)) this.#receive(JSON.parse(data), this.#welcomed ? null : sent);
    };
    const inOrder = () => (this.#returnAt > sent ? { then: "return", reason: "restarting" } : endOfSocket(1006));
    const climb = this.#outside.setTimeout(() => this.#finish(this.#climb()), this.#climbMs());
    const end = await this.#untilFinished((finish) => {
      void this.#api.events(this.#query(this.#wanted), stop.signal, onText).then((ended) => finish(ended ?? inOrder()));
    });
    this.#outside.clearTimeout(climb);
    stop.abort();
    return end;
  }

  /** @returns {Promise<End>} */
  async #overPolls() {
    const climbAt = this.#outside.now() + this.#climbMs();
    let timer = null;
    const end = await this.#untilFinished((finish) => {
      const pollIn = (ms) => {
        this.#outside.clearTimeout(timer);
        timer = this.#outside.setTimeout(() => void poll(), Math.min(POLL_MAX_MS, Math.max(POLL_MIN_MS, ms)));
      };
      const poll = async () => {
        const answer = await this.#status();
        if (answer.end !== null) return finish(answer.end);
        if (this.#outside.now() >= climbAt) return finish(this.#climb());
        pollIn(answer.body.poll_after_ms ?? POLL_MAX_MS);
        return this.#joinByCommand();
      };
      this.#pollSoon = () => pollIn(POLL_MIN_MS);
      void poll();
    });
    this.#pollSoon = () => {};
    this.#outside.clearTimeout(timer);
    return end;
  }

  /** Runs a transport until it ends itself, brings no `welcome` in time, falls silent, or is ended by us. */
  async #untilFinished(start) {
    let timer = null;
    this.#heardAt = this.#outside.now();
    const end = await new Promise((finish) => {
      const check = () => {
        const left = this.#heardAt + (this.#welcomed ? SILENCE_MS : WELCOME_WITHIN_MS) - this.#outside.now();
        if (left > 0) {
          timer = this.#outside.setTimeout(check, left);
        } else if (this.#welcomed && this.#socket !== null) {
          void this.#probe(finish); // keep-alives below the frames are hidden from us: ask
          timer = this.#outside.setTimeout(check, 2 * ANSWER_WITHIN_MS);
        } else {
          finish({ then: "retry", reason: this.#welcomed ? "connection_lost" : "no_welcome" });
        }
      };
      this.#finish = finish;
      check();
      start(finish);
    });
    this.#outside.clearTimeout(timer);
    return end;
  }

  #climbMs() {
    return CLIMB_AFTER_MS * (0.75 + this.#outside.random() / 2);
  }

  async #status() {
    const sent = this.#outside.now();
    const answer = await this.#api.status(this.#query([]));
    if (answer.end === null) {
      for (const frame of [answer.body.welcome, ...answer.body.frames]) this.#receive(frame, sent);
    }
    return answer;
  }

  // --- frames ---

  /** @param {Frame} frame @param {number | null} sent our ms, when it answers something that we sent */
  #receive(frame, sent = null) {
    const asked = this.#pending.get(frame.ref);
    this.#heardAt = this.#outside.now();
    if (typeof frame.now === "number") this.#clock.sample(frame.now, this.#heardAt, asked?.sent ?? sent);
    if (frame.type === "welcome") this.#welcome(frame);
    if (frame.type === "joined") this.#wanted = this.#wanted.filter((path) => path !== "" && path !== frame.path);
    if (frame.type === "reconnect") this.#drain(frame);
    this.#latest.set(frame.path ?? "", { ...this.#latest.get(frame.path ?? ""), [frame.type]: frame });
    this.#emit("frame", frame, this.#options.onFrame);
    asked?.answer(frame);
  }

  #welcome(frame) {
    this.#latest.clear();
    const overSocket = this.#state.transport === "socket";
    if (!overSocket || this.#socket !== null) {
      this.#welcomed = true;
      this.#show("live");
    }
    if (typeof frame.session !== "string") return;
    this.#api.token = frame.session; // our cookie did not come through: the server made a guest, and joined nobody
    void this.#joinByCommand();
  }

  /** The server goes away in `after_ms`: it closes when our turn is due, and if it does not, we do. */
  #drain(frame) {
    const finish = this.#finish;
    this.#returnAt = this.#outside.now() + frame.after_ms;
    this.#show("live", "restarting");
    this.#outside.setTimeout(() => finish({ then: "return", reason: "restarting" }), frame.after_ms);
  }

  // --- commands ---

  async #joinByCommand() {
    for (const path of [...this.#wanted]) {
      try {
        await this.command(path === "" ? { type: "join" } : { type: "join", path });
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (!error.temporary) this.#wanted = this.#wanted.filter((wanted) => wanted !== path);
      }
    }
  }

  #commandOverSocket(frame) {
    this.#ref += 1;
    const ref = String(this.#ref);
    return new Promise((resolve, reject) => {
      const answer = (answered) => {
        this.#pending.delete(ref);
        this.#outside.clearTimeout(timer);
        if (answered.type === "error") reject(new Refused(answered));
        else resolve(answered);
      };
      const late = () => answer({ type: "error", reason: "no_answer", temporary: true });
      const timer = this.#outside.setTimeout(late, ANSWER_WITHIN_MS);
      this.#pending.set(ref, { answer, sent: this.#outside.now() });
      this.#socket.send(JSON.stringify({ ...frame, ref }));
    });
  }

  async #commandOverHttp(frame) {
    const { end, body } = await this.#api.command(frame);
    if (end === null) {
      this.#receive(body);
      this.#pollSoon();
      return body;
    }
    const refusal = new Refused({ reason: end.reason, temporary: true, ...body, type: "error", path: frame.path });
    if (body.reason !== undefined) this.#receive(refusal.frame);
    throw refusal;
  }

  #giveUpPending() {
    for (const { answer } of [...this.#pending.values()]) {
      answer({ type: "error", reason: "connection_lost", temporary: true });
    }
  }

  /** A socket that claims to be open and does not answer is dead, however long the browser keeps it. */
  async #probe(finish) {
    try {
      await this.#commandOverSocket({ type: "ping" });
    } catch (error) {
      if (error instanceof Refused) finish({ then: "retry", reason: "connection_lost" });
      else throw error;
    }
  }

  // --- telling ---

  #show(phase, reason = "", transport = this.#state.transport, retryAt = null) {
    const before = this.#state;
    this.#state = Object.freeze({ phase, transport, reason, retryAt });
    const same = before.phase === phase && before.transport === transport && before.reason === reason;
    if (!same || before.retryAt !== retryAt) this.#emit("state", this.#state, this.#options.onState);
  }

  #emit(type, detail, listener) {
    listener?.(detail);
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
