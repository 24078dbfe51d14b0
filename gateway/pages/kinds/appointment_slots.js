/**
 * The slots of one path as this page knows them: frames in, days with their times out. Pure: no document, no clock.
 *
 * Rules:
 * - All slots come at first, in several frames; then those that have changed. A frame with `since` and `until` has every
 *   slot that begins between them: what was known of others there is no more.
 * - A day is a day where the place is. The same time of day comes twice in the night when clocks are put back: such
 *   times are said with the name of their offset.
 * - What a time is where the consumer is, is said where it is another.
 */

/**
 * @typedef {object} Slot
 * @property {string} id @property {number} start epoch ms @property {number} end epoch ms
 * @property {string} location @property {number} free
 * @property {string} day where the place is, `2026-12-01` @property {string} time there
 * @property {string | null} own the time where the consumer is, with its day where that is another; null: the same
 */

export class Slots {
  /** @type {Map<string, Slot>} in order of time */
  #all = new Map();
  #zone = "UTC";
  #own;
  #locale;

  /** @param {string} own the consumer's time zone @param {string} [locale] */
  constructor(own, locale) {
    this.#own = own;
    this.#locale = locale;
  }

  /** Where the place is. @param {string} zone */
  set zone(zone) {
    if (zone === this.#zone) return;
    this.#zone = zone;
    this.#put([...this.#all.values()]);
  }

  get zone() {
    return this.#zone;
  }

  get own() {
    return this.#own;
  }

  /** @param {{slots: object[], since?: number, until?: number | null}} frame */
  take(frame) {
    if (frame.since !== undefined) {
      const until = frame.until ?? Infinity;
      for (const { id, start } of this.#all.values()) if (start >= frame.since && start < until) this.#all.delete(id);
    }
    const known = frame.slots.every(({ id }) => this.#all.has(id));
    if (known) for (const slot of frame.slots) this.#all.set(slot.id, { ...this.#all.get(slot.id), free: slot.free });
    else this.#put([...this.#all.values(), ...frame.slots]);
  }

  /** @param {string | undefined} id @returns {Slot | null} */
  find(id) {
    return this.#all.get(id) ?? null;
  }

  /** Days with slots that have not begun, each with how many places are free. @param {number} now epoch ms */
  days(now) {
    const days = new Map();
    for (const slot of this.#all.values()) {
      if (slot.start <= now) continue;
      const day = days.get(slot.day) ?? { day: slot.day, at: slot.start, free: 0 };
      day.free += slot.free;
      days.set(slot.day, day);
    }
    return [...days.values()];
  }

  /** The slots of a day that have not begun. @param {string | null} day @param {number} now @returns {Slot[]} */
  of(day, now) {
    return [...this.#all.values()].filter((slot) => slot.day === day && slot.start > now);
  }

  /** A day in words, where the place is. @param {number} at epoch ms @param {"short" | "long"} [length] */
  dayWords(at, length = "short") {
    return this.#format(this.#zone, { weekday: length, day: "numeric", month: length }).format(at);
  }

  /** Day and time where the place is, and where the consumer is. @param {Slot} slot */
  when(slot) {
    const own = { weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit" };
    const there = `${this.dayWords(slot.start, "long")}, ${slot.time}`;
    return { there, own: slot.own === null ? null : this.#format(this.#own, own).format(slot.start) };
  }

  #put(slots) {
    slots.sort((one, other) => one.start - other.start);
    const date = new Intl.DateTimeFormat("en-CA", { timeZone: this.#zone });
    const [time, own] = [this.#zone, this.#own].map((zone) => this.#format(zone, { hour: "2-digit", minute: "2-digit" }));
    const dated = slots.map((slot) => ({ ...slot, day: date.format(slot.start), time: time.format(slot.start) }));
    const seen = new Map();
    for (const { day, time: said } of dated) seen.set(`${day} ${said}`, (seen.get(`${day} ${said}`) ?? 0) + 1);
    this.#all = new Map();
    for (const slot of dated) {
      const ownTime = own.format(slot.start);
      const twice = seen.get(`${slot.day} ${slot.time}`) > 1;
      const own_ = ownTime === slot.time && this.#day(slot) === slot.day ? null : this.#ownWords(slot, ownTime);
      this.#all.set(slot.id, { ...slot, own: own_, time: twice ? this.#exact(slot.start) : slot.time });
    }
  }

  #day({ start }) {
    return new Intl.DateTimeFormat("en-CA", { timeZone: this.#own }).format(start);
  }

  #ownWords(slot, time) {
    if (this.#day(slot) === slot.day) return time;
    return `${time} ${this.#format(this.#own, { weekday: "short" }).format(slot.start)}`;
  }

  #exact(at) {
    return this.#format(this.#zone, { hour: "2-digit", minute: "2-digit", timeZoneName: "short" }).format(at);
  }

  #format(timeZone, parts) {
    return new Intl.DateTimeFormat(this.#locale, { timeZone, ...parts });
  }
}
