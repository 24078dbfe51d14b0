/**
 * What a consumer wants of what a path sells, where that is theirs to say (`choices` in `welcome`). Pure.
 *
 * Rules:
 * - It is named with what takes a ticket, and whatever takes one waits for it; while the ticket waits, another may be
 *   chosen without losing the place.
 * - What was pressed is shown at once, and what is told is what holds.
 */

export class Choice {
  #path;
  #told = null; // the variant that the ticket is for
  #meant = null; // the one that was pressed since

  /** @param {import("./room_path.js").Path} path */
  constructor(path) {
    this.#path = path;
  }

  /** Ids of the variants to choose from, in order; fewer than two are no choice. @returns {string[]} */
  get variants() {
    const choices = this.#path.view.choices ?? [];
    return choices.length > 1 ? choices : [];
  }

  /** @returns {string | null} */
  get wanted() {
    return this.#meant ?? this.#told;
  }

  /** Takes a frame of this path. @param {import("./client.js").Frame} frame */
  take(frame) {
    if (frame.variant === undefined || !["joined", "ticket"].includes(frame.type)) return;
    this.#told = frame.variant;
    this.#meant = null;
  }

  /** The ticket is another one or gone: the next is for the same, unless something else is pressed. */
  forget() {
    this.#meant = this.wanted;
    this.#told = null;
  }

  /** @param {string | null} variant what was pressed; null: that did not work */
  mean(variant) {
    this.#meant = variant;
  }

  /** Whether there is something to choose now. @param {import("./kinds/kind.js").Control[]} controls of the screen */
  isOpen(controls) {
    return this.variants.length > 0 && (this.changes || controls.some((control) => this.#takesTicket(control)));
  }

  /** Whether choosing changes what a ticket is for. */
  get changes() {
    return this.#path.ticket?.state === "waiting";
  }

  /** The control, which names the variant if it takes a ticket. @param {import("./kinds/kind.js").Control} control */
  named(control) {
    if (this.variants.length === 0 || !this.#takesTicket(control)) return control;
    const frame = { ...control.frame, variant: this.wanted ?? "" };
    return { ...control, frame, disabled: (control.disabled ?? false) || this.wanted === null };
  }

  #takesTicket({ frame }) {
    return frame.type === "join" || (frame.type === "claim" && this.#path.ticket === null);
  }
}
