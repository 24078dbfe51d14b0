/** The wall of the client library for its tests: a clock that only a test moves, sockets and answers that it says. */

/** Lets every promise that can go on go on. */
export async function settle() {
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export class World {
  time = 0;
  timers = new Map();
  sockets = [];
  requests = [];
  answers = new Map(); // "GET /status" → function that gives {status, headers, body}
  chance = 0.5;
  #timer = 0;

  /** What `connect()` takes as `outside`. */
  get outside() {
    const world = this;
    class WebSocket {
      constructor(address, protocols) {
        Object.assign(this, { address, protocols, sent: [], closed: false });
        world.sockets.push(this);
      }
      send(text) {
        this.sent.push(JSON.parse(text));
      }
      close() {
        this.closed = true;
      }
      says(frame) {
        this.onmessage({ data: JSON.stringify(frame) });
      }
      ends(code) {
        this.onclose({ code });
      }
    }
    return {
      WebSocket,
      fetch: (address, init) => this.fetch(address, init),
      now: () => this.time,
      setTimeout: (call, ms) => {
        this.#timer += 1;
        this.timers.set(this.#timer, { call, at: this.time + ms });
        return this.#timer;
      },
      clearTimeout: (timer) => this.timers.delete(timer),
      random: () => this.chance,
    };
  }

  get socket() {
    return this.sockets.at(-1);
  }

  answer(what, status, body = {}, headers = {}) {
    this.answers.set(what, () => new Response(JSON.stringify(body), { status, headers }));
  }

  async fetch(address, init) {
    const url = new URL(address);
    const what = `${init.method ?? "GET"} ${url.pathname.split("/").pop()}`;
    const content = init.body === undefined ? null : JSON.parse(init.body);
    this.requests.push({ what, query: url.search, headers: init.headers, content });
    const answer = this.answers.get(what);
    if (answer === undefined) throw new TypeError(`no network for ${what}`);
    return answer(init);
  }

  /** Moves the clock, and lets what is due happen in its order. */
  async pass(ms) {
    const until = this.time + ms;
    await settle();
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= until).sort((a, b) => a[1].at - b[1].at)[0];
      if (due === undefined) break;
      this.timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].call();
      await settle();
    }
    this.time = until;
  }
}

export function welcome(more = {}) {
  const path = { id: "general", kind: "queue", phase: "open", opens_at: null, closes_at: null, access: "open" };
  const shop = { products: [], checkout_url: "https://shop/" };
  const experience = { id: "demo", name: "Drop", phase: "open", ...shop, paths: [path] };
  const consumer = { id: "c", level: "guest" };
  return { type: "welcome", v: 1, now: 1_000_000, consumer, experience, tickets: [], ...more };
}
