/** Which class shows which kind of path. A kind that this page does not know is shown as any path is. */

import { Appointment } from "./appointment.js";
import { Auction } from "./auction.js";
import { Draw } from "./draw.js";
import { Kind } from "./kind.js";
import { Queue } from "./queue.js";
import { TimedRelease } from "./timed_release.js";
import { Waitlist } from "./waitlist.js";

export const KINDS = {
  queue: Queue,
  draw: Draw,
  auction: Auction,
  appointment: Appointment,
  timed_release: TimedRelease,
  waitlist: Waitlist,
};

/** @param {string | undefined} name `kind` of `welcome.experience.paths[]` @returns {typeof Kind} */
export function kindOf(name) {
  return KINDS[name] ?? Kind;
}
