/**
 * The appointment: a time is held for a while, confirmed, changed, given back.
 *
 *   open, choosing (a ticket that has no time) → held → booked ⇄ changing (another time is looked for) → completed
 *   paid for first: … held → unpaid (its turn to pay comes) → admitted … → booked
 *
 * Nothing is taken by opening the page: choosing a time takes the ticket. Its words are in `appointment_words.js`, its
 * days and times in `appointment_slots.js`.
 */

import * as say from "../room_words.js";
import { Slots } from "./appointment_slots.js";
import * as words from "./appointment_words.js";
import { Kind } from "./kind.js";

const MS_PER_MINUTE = 60_000;
const PAYING = ["waiting", "admitted", "redeemed"];
const CHOOSING = ["open", "choosing", "held", "changing", "expired", "left"];

export class Appointment extends Kind {
  static NAME = "Appointment";
  static WORDS = words.STATES;
  static CONTROLS = words.CONTROLS;
  static FOOT_NOTE = "A time that is held or booked is yours alone, on every device and whether this page is open or not.";

  #slots = new Slots(Intl.DateTimeFormat().resolvedOptions().timeZone);
  #held = null;
  #booked = null;
  #unpaid = null; // the place that is kept through the checkout, and booked when it is paid
  #givenBack = null; // why the last time was lost
  #changing = false;
  #day = null; // the one that the consumer looks at

  viewed(view) {
    this.#slots.zone = view.details?.time_zone ?? "UTC";
  }

  take(frame) {
    if (frame.type === "slots") this.#slots.take(frame);
    if (frame.type === "held") this.#keep(frame);
    if (frame.type === "ticket" && !PAYING.includes(frame.state)) this.#unpaid = null;
    if (frame.type === "booked") this.#become("booked", { booked: frame });
    if (frame.type === "cancelled") this.#become("waiting", { givenBack: frame.reason });
  }

  forget() {
    this.#have({});
  }

  state(now) {
    const state = super.state(now);
    if (state === "joining") return "open";
    return state === "booked" && this.#changing ? "changing" : state;
  }

  waiting() {
    if (this.#unpaid !== null) return "unpaid";
    return ["settling", "ended"].includes(this.path.phase) ? "closed" : "choosing";
  }

  more(now) {
    const slot = this.#slots.find((this.#held ?? this.#booked ?? this.#unpaid)?.slot);
    const days = this.#slots.days(now);
    const day = this.#dayOf(days, slot);
    const cutoff = (slot?.start ?? 0) - (this.path.view.details?.cancel_cutoff_minutes ?? 0) * MS_PER_MINUTE;
    return {
      days,
      day,
      times: this.#slots.of(day, now),
      anyFree: days.length === 0 ? null : days.some(({ free }) => free > 0),
      own: slot?.id ?? null,
      when: slot === null ? null : this.#slots.when(slot),
      location: slot?.location ?? "",
      holdUntil: this.#held?.hold_expires_at ?? null,
      confirmation: this.#booked?.confirmation ?? "",
      changeUntil: this.#slots.instantWords(cutoff),
      canChange: slot !== null && now <= Math.min(cutoff, slot.start - 1),
      givenBack: this.#givenBack,
    };
  }

  controls(screen) {
    const cancel = { type: "cancel", ...(screen.own === null ? {} : { slot: screen.own }) };
    if (screen.state === "held") return [this.control("book", { type: "book" }), this.control("release", cancel)];
    if (screen.state === "unpaid") return [this.control("release", cancel)];
    if (screen.state === "booked" && screen.canChange) return [this.control("cancel", cancel)];
    return super.controls(screen).filter(({ frame }) => frame.type !== "join");
  }

  static wire(page) {
    const key = (event) => event.target.closest("[data-key]")?.dataset.key;
    const kind = () => page.focus().kind;
    page.$("appointment-days").addEventListener("click", (event) => kind().look(page, key(event)));
    page.$("appointment-times").addEventListener("click", (event) => void kind().choose(page, key(event)));
    page.$("appointment-change").addEventListener("click", () => kind().change(page, true));
    page.$("appointment-keep").addEventListener("click", () => kind().change(page, false));
  }

  /** Shows another day. @param {import("./kind.js").Page} page @param {string | undefined} day */
  look(page, day) {
    this.#day = day ?? this.#day;
    page.soon();
  }

  /** Looks for another time than the one that is booked, or no more. */
  change(page, on) {
    this.#changing = on;
    page.soon();
  }

  /** A time was chosen: it is held, or booked instead of the one that is. @param {string | undefined} id of the slot */
  async choose(page, id) {
    const slot = this.#slots.find(id);
    if (slot === null || slot.free === 0) return;
    if (!this.#changing) await page.press({ type: "hold", slot: id });
    else await page.control({ frame: { type: "reschedule", slot: id }, ask: words.moveQuestion(this.#slots.when(slot).there) });
  }

  show(page, screen, now) {
    const { state } = screen;
    page.figure("appointment-left", screen.holdUntil === null ? "" : say.clock(screen.holdUntil - now));
    page.facts("appointment-facts", words.factWords(screen));
    page.text("appointment-code", screen.confirmation);
    page.$("appointment-change").hidden = state !== "booked" || !screen.canChange;
    page.$("appointment-calendar").href = `/v1/experiences/${page.experience}/paths/${this.path.id}/booking.ics`;
    if (CHOOSING.includes(state)) this.#showTimes(page, screen);
  }

  #showTimes(page, screen) {
    const { days, day, times } = screen;
    const same = times.every(({ own }) => own === null);
    const mayChoose = screen.paused === null && this.path.phase === "open";
    page.text("appointment-zone", words.zoneWords(this.#slots.zone, this.#slots.own, same));
    const dayItems = days.map(({ day: key, at, free }) => ({ key, label: this.#slots.dayWords(at), free, on: key === day }));
    page.list("appointment-days", dayItems, (item) => dayButton(page, item));
    const items = times.map((slot) => {
      const mine = slot.id === screen.own;
      const { id: key, time, own, free } = slot;
      return { key, time, own, free, mine, can: mayChoose && free > 0 && !mine, spoken: words.slotWords(slot, mine) };
    });
    page.list("appointment-times", items, (item) => timeButton(page, item));
    const shown = times.length > 0 ? this.#slots.dayWords(times[0].start, "long") : "";
    page.text("appointment-day", shown);
  }

  #become(state, what) {
    this.path.ticket = { path: this.path.id, ticket: this.path.ticket?.ticket, state };
    this.#have(what);
  }

  /** A hold has its time; without one the place is kept through the checkout, whose turn `admitted` tells. */
  #keep(frame) {
    if (frame.hold_expires_at !== undefined) return this.#become("held", { held: frame });
    if (this.path.ticket?.state === "held") return this.#become("waiting", { unpaid: frame });
    return this.#have({ unpaid: frame });
  }

  #have({ held = null, booked = null, unpaid = null, givenBack = null }) {
    this.#day = null;
    this.#held = held;
    this.#booked = booked;
    this.#unpaid = unpaid;
    this.#givenBack = givenBack;
    this.#changing = false;
  }

  /** The day in sight: the one that was chosen, that of the own time, the first with a free place, the first. */
  #dayOf(days, slot) {
    const known = days.find(({ day }) => day === this.#day) ?? days.find(({ day }) => day === slot?.day);
    return (known ?? days.find(({ free }) => free > 0) ?? days[0])?.day ?? null;
  }
}

function dayButton(page, { label, free, on }) {
  const button = page.element("button", "", { type: "button", "aria-pressed": String(on) });
  button.append(page.element("strong", label), page.element("span", words.dayFreeWords(free)));
  return button;
}

/** It stays in reach of the keyboard when it is not free any more. */
function timeButton(page, { time, own, free, mine, can, spoken }) {
  const button = page.element("button", "", { type: "button", "aria-disabled": String(!can), "aria-label": spoken });
  if (mine) button.setAttribute("aria-current", "true");
  button.append(page.element("strong", time));
  if (own !== null) button.append(page.element("span", own, { class: "own-time" }));
  button.append(page.element("span", words.freeWords(free, mine)));
  return button;
}
