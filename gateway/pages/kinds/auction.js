/**
 * The auction, of both styles. A bid or a claim takes a ticket by itself, so nobody joins.
 *
 *   English: open → leading ⇄ outbid → (the hammer) won → admitted …, or lost; with a second chance: hoping → offered …
 *   Dutch:   open (the price falls) → won (a unit is taken) → admitted …, or lost
 *
 * Its words are in `auction_words.js`. What others would pay at most, nobody is told.
 */

import { CONTROLS, STATES, bidAsked, bidHint, factWords, figureWords, money, takeLabel } from "./auction_words.js";
import { Kind } from "./kind.js";

export class Auction extends Kind {
  static NAME = "Auction";
  static WORDS = STATES;
  static CONTROLS = CONTROLS;
  static FOOT_NOTE = "The price is the same for everybody, and nobody is told what others would pay.";

  #stands = null; // the newest `high_bid`
  #own = null; // the newest `bid_status`
  #offer = null;
  #sent = null; // the last bid, so that the same one again is the same

  take(frame) {
    if (frame.type === "high_bid") this.#stands = frame;
    if (frame.type === "bid_status") this.#own = frame;
    if (frame.type === "offer") this.#offer = frame;
    if (frame.type === "admitted" || frame.type === "ticket") this.#offer = null;
  }

  forget() {
    this.#own = null;
    this.#offer = null;
  }

  state(now) {
    return this.#offer !== null && this.path.ticket !== null ? "offered" : super.state(now);
  }

  waiting() {
    const status = this.#own?.status;
    if (status === "won") return "won";
    if (this.path.phase === "open") return status ?? "open";
    return this.path.phase === "settling" || this.path.phase === "ended" ? "hoping" : "scheduled";
  }

  more(now) {
    const { view, admitted, phase } = this.path;
    const stands = this.#stands;
    const details = view.details ?? {};
    return {
      dutch: details.style === "dutch",
      currency: stands?.currency ?? details.currency ?? "EUR",
      price: stands?.amount ?? stands?.price ?? null,
      start: details.start_price ?? null,
      bids: stands?.bids ?? 0,
      minNext: stands?.min_next ?? null,
      reserve: stands?.reserve_met ?? null,
      extensions: stands?.extensions ?? 0,
      endsIn: phase === "open" && stands?.closes_at ? stands.closes_at - now : null,
      dropsIn: stands?.next_drop_at === undefined ? null : (stands?.next_drop_at ?? now) - now,
      left: stands?.left ?? null,
      hammered: phase === "settling" || phase === "ended",
      maximum: this.#own?.max ?? null,
      pays: admitted?.price ?? this.#offer?.price ?? this.#own?.price ?? null,
      claimIn: this.#offer === null ? null : this.#offer.claim_by - now,
    };
  }

  controls(screen) {
    if (screen.state === "offered") {
      const { offer } = this.#offer;
      return [this.control("claim", { type: "claim", offer }), this.control("decline", { type: "decline", offer })];
    }
    const takes = screen.state === "open" && screen.dutch && screen.price !== null && screen.left > 0;
    if (takes && screen.paused === null) {
      return [{ ...this.control("take", { type: "claim", price: screen.price }), label: takeLabel(screen) }];
    }
    return super.controls(screen).filter(({ frame }) => frame.type !== "join");
  }

  static wire(page) {
    page.$("bid-form").addEventListener("submit", (event) => {
      event.preventDefault();
      void page.focus().kind.bid(page);
    });
  }

  /** Bids what stands in the form, once that was confirmed. @param {import("./kind.js").Page} page */
  async bid(page) {
    const max = page.$("bid").value.trim().replace(",", ".");
    if (this.#sent?.max !== max) this.#sent = { max, id: String(Math.random()).slice(2) };
    const { currency } = this.#stands ?? this.path.view.details;
    const answer = await page.control({ frame: { type: "bid", ...this.#sent }, ask: bidAsked(money(max, currency)) });
    if (answer !== null) page.$("bid").value = "";
  }

  show(page, screen) {
    const said = figureWords(screen);
    page.figure("auction-price", said.figure);
    page.text("auction-price-label", said.label);
    page.facts("auction-facts", factWords(screen));
    const bids = !screen.dutch && ["open", "leading", "outbid"].includes(screen.state);
    for (const id of ["bid-form", "bid-hint"]) page.$(id).hidden = !bids;
    page.$("bid-send").disabled = screen.paused !== null;
    page.text("bid-hint", bidHint(screen));
  }
}
