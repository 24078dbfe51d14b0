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

const TIME = { hour: "2-digit", minute: "2-digit" };
const PUT_BACK_MS = [3_600_000, 1_800_000]; // by so much clocks are put back, here or there

export class Slots {
  /** @type {Map<string, Slot>} in order of time */
  #all = new Map();
  #formats = new Map();
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
    for (const slot of this.#all.values()) this.#all.set(slot.id, this.#worded(slot));
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
      const [until, told] = [frame.until ?? Infinity, new Set(frame.slots.map(({ id }) => id))];
      const gone = ({ id, start }) => start >= frame.since && start < until && !told.has(id);
      for (const { id } of [...this.#all.values()].filter(gone)) this.#all.delete(id);
    }
    const last = [...this.#all.values()].at(-1)?.start ?? -Infinity;
    const before = this.#all.size;
    for (const slot of frame.slots) this.#all.set(slot.id, { ...(this.#all.get(slot.id) ?? this.#worded(slot)), ...slot });
    const among = this.#all.size > before && frame.slots.some(({ start }) => start < last);
    if (among) this.#all = new Map([...this.#all].sort(([, one], [, other]) => one.start - other.start));
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

  /** Weekday and time where the place is. @param {number} at epoch ms */
  instantWords(at) {
    return this.#format(this.#zone, { weekday: "long", ...TIME }).format(at);
  }

  /** Day and time where the place is, and where the consumer is. @param {Slot} slot */
  when(slot) {
    const own = { weekday: "long", day: "numeric", month: "long", ...TIME };
    const there = `${this.dayWords(slot.start, "long")}, ${slot.time}`;
    return { there, own: slot.own === null ? null : this.#format(this.#own, own).format(slot.start) };
  }

  /** A slot that was not known, with its day and times in words. */
  #worded(slot) {
    const { start } = slot;
    const day = this.#isoDay(this.#zone, start);
    const there = this.#format(this.#zone, TIME).format(start);
    const own = this.#format(this.#own, TIME).format(start);
    const ownDay = this.#isoDay(this.#own, start);
    const alike = own === there && ownDay === day;
    const shortDay = ownDay === day ? "" : ` ${this.#format(this.#own, { weekday: "short" }).format(start)}`;
    return { ...slot, day, time: this.#comesTwice(start, there) ? this.#exact(start) : there, own: alike ? null : own + shortDay };
  }

  #comesTwice(start, said) {
    const time = this.#format(this.#zone, TIME);
    return PUT_BACK_MS.some((ms) => time.format(start + ms) === said || time.format(start - ms) === said);
  }

  #exact(at) {
    return this.#format(this.#zone, { ...TIME, timeZoneName: "short" }).format(at);
  }

  #isoDay(timeZone, at) {
    return this.#format(timeZone, { year: "numeric", month: "2-digit", day: "2-digit" }, "en-CA").format(at);
  }

  /** Making a format takes far longer than using it. */
  #format(timeZone, parts, locale = this.#locale) {
    const key = JSON.stringify([locale, timeZone, parts]);
    if (!this.#formats.has(key)) this.#formats.set(key, new Intl.DateTimeFormat(locale, { timeZone, ...parts }));
    return this.#formats.get(key);
  }
}
