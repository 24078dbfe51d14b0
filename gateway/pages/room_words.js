/**
 * Every sentence of the waiting-room page, and how durations, numbers and prices are said.
 *
 * Rules: calm and exact. A wait is an interval, never one number; what we do not know is not said; whatever happens to
 * the connection or the shop, the first thing told is that the place is safe. Pure: no document, no clock.
 */

const LOCALE = "en";
const number = new Intl.NumberFormat(LOCALE);
const SECONDS_A_MINUTE = 60;
const SECONDS_AN_HOUR = 3600;
const WEEK_MS = 6 * 24 * SECONDS_AN_HOUR * 1000; // in seven days it is the same day again
const FINE_UNTIL_MINUTES = 60; // longer waits are said in steps of five minutes
const COARSE_STEP_MINUTES = 5;

/** @param {number} value */
export function count(value) {
  return number.format(value);
}

/** One person, two people. @param {number} value */
export function people(value) {
  return value === 1 ? "1 person" : `${count(value)} people`;
}

/** @param {string} amount decimal string @param {string} currency ISO 4217 */
export function price(amount, currency) {
  return new Intl.NumberFormat(LOCALE, { style: "currency", currency }).format(Number(amount));
}

/** A running clock: 0:07, 9:41, 1:02:03, 2 days 03:04:05. @param {number} ms */
export function clock(ms) {
  const whole = Math.max(0, Math.ceil(ms / 1000));
  const days = Math.floor(whole / (24 * SECONDS_AN_HOUR));
  const hours = Math.floor(whole / SECONDS_AN_HOUR) % 24;
  const minutes = Math.floor(whole / SECONDS_A_MINUTE) % 60;
  const two = (value) => String(value).padStart(2, "0");
  const short = hours > 0 || days > 0 ? `${days > 0 ? two(hours) : hours}:${two(minutes)}` : String(minutes);
  const text = `${short}:${two(whole % 60)}`;
  return days === 0 ? text : `${days} ${days === 1 ? "day" : "days"} ${text}`;
}

/** The same for ears: "9 minutes", "45 seconds". @param {number} ms */
export function spoken(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 2 * SECONDS_A_MINUTE) return `${seconds} seconds`;
  const minutes = Math.round(seconds / SECONDS_A_MINUTE);
  if (minutes < 2 * FINE_UNTIL_MINUTES) return `${minutes} minutes`;
  return `${Math.round(seconds / SECONDS_AN_HOUR)} hours`;
}

/** A day and a time of day, where the consumer is; another week's day by its date. @param {number} at epoch ms */
export function instant(at, now) {
  const day = at - now < WEEK_MS ? { weekday: "long" } : { day: "numeric", month: "long" };
  return new Date(at).toLocaleString(undefined, { ...day, hour: "2-digit", minute: "2-digit" });
}

function coarse(minutes) {
  const hours = Math.floor(minutes / 60);
  const rest = minutes % 60;
  if (hours === 0) return `${rest} min`;
  return rest === 0 ? `${hours} h` : `${hours} h ${rest} min`;
}

/** An honest wait. @param {[number, number] | null} eta seconds, low and high */
export function wait(eta) {
  if (eta === null) return "Not known yet";
  const [low, high] = eta;
  if (high <= 0) return "Any moment now";
  if (high <= SECONDS_A_MINUTE) return "Less than a minute";
  const from = Math.floor(low / SECONDS_A_MINUTE);
  const to = Math.ceil(high / SECONDS_A_MINUTE);
  if (to <= FINE_UNTIL_MINUTES) {
    if (from === 0) return `Up to ${to} minutes`;
    return from === to ? `About ${to} ${to === 1 ? "minute" : "minutes"}` : `About ${from}–${to} minutes`;
  }
  const down = Math.floor(from / COARSE_STEP_MINUTES) * COARSE_STEP_MINUTES;
  const up = Math.ceil(to / COARSE_STEP_MINUTES) * COARSE_STEP_MINUTES;
  return down === 0 ? `Up to ${coarse(up)}` : `About ${coarse(down)} – ${coarse(up)}`;
}

/** @param {number} rate admissions of the last minute @param {boolean} paused */
export function pace(rate, paused = false) {
  if (paused) return "Paused";
  return rate === 0 ? "Nobody just now" : `${count(rate)} a minute`;
}

const KEEP = "Your place is kept, even if you close this page or your phone goes to sleep.";

/** By state: headline, message and title; `screen` is what `Path.screen()` returns. A kind's own go before these. */
const STATES = {
  connecting: () => ["One moment", "We are finding your place.", "Finding your place"],
  joining: () => ["One moment", "You are being put in line.", "Joining"],
  scheduled: (screen) => [
    screen.opensAt === null ? "Not open yet" : "Opening soon",
    screen.joinsItself
      ? "Stay on this page: you join the line by yourself the moment it opens."
      : "Come back then, or stay here: this page opens by itself.",
    "Opening soon",
  ],
  open: () => ["The line is open", "Join it, and your place is kept from then on.", "Open"],
  lobby: (screen) => [
    "You are in",
    `The order is drawn by lot at the opening, so there is nothing to win by hurrying. ${KEEP}`,
    screen.of === null ? "You are in" : `${people(screen.of)} here`,
  ],
  waiting: (screen) => [
    screen.ahead === 0 ? "You are next" : "You are in line",
    KEEP,
    screen.ahead === null ? "In line" : screen.ahead === 0 ? "You are next" : `${count(screen.ahead)} ahead`,
  ],
  paused: (screen) => [
    screen.paused === "outage" ? "A short interruption" : "The line is paused",
    screen.paused === "outage"
      ? "Something on our side stopped. Your place is safe, and the time that is lost is given back."
      : "The shop is catching its breath. Your place is safe, and the line goes on from here.",
    "Paused, your place is safe",
  ],
  sold_out: () => [
    "Sold out for now",
    "Everything is in somebody’s basket. What they leave goes to the next in line, so your place still counts.",
    "Sold out for now",
  ],
  admitted: () => ["It’s your turn", "What you came for is reserved for you until the time is over.", "Your turn"],
  redeemed: () => [
    "Your checkout is in progress",
    "You are in the shop. Finish there before the time is over; this page only keeps you company.",
    "Checking out",
  ],
  offered: () => ["Something is free for you", "Take it before the time is over, or pass it on.", "Free for you"],
  held: () => ["Kept for you", "It is kept for you for a while. Confirm it before the time is over.", "Kept for you"],
  booked: () => ["Booked", "It is yours.", "Booked"],
  completed: () => ["All done. Thank you!", "Your order is complete. You may close this page.", "Thank you"],
  expired: (screen) => [
    "Your turn has passed",
    screen.mayRejoin
      ? "The time to check out is over. That happens: once, you may take your old place back and are next again."
      : "The time to check out is over, and what was reserved went to the next in line.",
    "Your turn has passed",
  ],
  left: (screen) => [
    { declined: "You passed it on", booked: "It is booked for you" }[screen.reason] ?? "You left the line",
    LEFT[screen.reason] ?? "Your place was given to the next person. You can join again, at the back.",
    "You left the line",
  ],
  lost: lostWords,
  refused: (screen) => [
    "You were turned away",
    screen.reason ? `The shop gave this reason: ${screen.reason}` : "The shop has turned this ticket away.",
    "Turned away",
  ],
  full: (screen) => [
    "The line is full",
    screen.joinsItself
      ? "No more people can wait at the moment. Stay here: we try again for you."
      : "No more people can wait at the moment. Try again later.",
    "Full",
  ],
  closed: () => ["This line is closed", "It takes nobody any more.", "Closed"],
  needs_level: () => ["Please sign in first", "This line is for customers who are signed in at the shop.", "Sign in"],
  needs_code: (screen) => [
    "You need a code",
    screen.reason === "bad_code" ? "This code does not open it. Look again, please." : "This way in opens with a code.",
    "With a code",
  ],
  not_for_you: () => ["For invited customers", "This way in is for people whom the shop has invited.", "By invitation"],
  limit: () => ["You have what one person can have", "There is no more of it for the same person.", "No more for you"],
  gone: () => ["There is no such line", "The address may be wrong, or the event was taken down.", "Not found"],
  error: () => ["We cannot let this page in", "Please open the shop’s own page again.", "Not available"],
};

const LOST = {
  sold_out: [
    "Sold out",
    "Everything was sold before it was your turn. We are sorry, and thank you for waiting.",
    "Sold out",
  ],
  failover: [
    "Your place was lost",
    "A failure on our side lost it, and we cannot give it back. We are sorry. You can join again, at the back.",
    "Your place was lost",
  ],
  ended: ["The line has ended", "The shop ended the line before it was your turn. Thank you for waiting.", "Ended"],
};

/** Sentences of a ticket that was lost. @param {import("./room_path.js").Screen} screen */
export function lostWords(screen) {
  return LOST[screen.reason] ?? LOST.ended;
}

const LEFT = {
  declined: "Thank you: the next person in line has your turn now.",
  booked: "What was offered to you is yours. Your booking and its code stand beside this line, among the ways in.",
  released: "The shop ended your checkout. You can join again, at the back.",
  merged: "You already stand in line with your account. That place counts; this one was merged into it.",
};

/**
 * @param {import("./room_path.js").Screen} screen @param {Record<string, Function>} [own] sentences of its kind
 * @returns {{headline: string, message: string, title: string}}
 */
export function words(screen, own = {}) {
  const [headline, message, title] = (own[screen.state] ?? STATES[screen.state])(screen);
  return { headline, message, title };
}

/** What stands on the controls, and what is asked before what cannot be taken back. */
export const CONTROLS = {
  join: { label: "Join the line" },
  again: { label: "Join the line again" },
  rejoin: { label: "Take your place back" },
  leave: {
    label: "Leave the line",
    quiet: true,
    ask: {
      title: "Leave the line?",
      text: "Your place goes to the people behind you. You can join again, but only at the back.",
      no: "Keep my place",
      yes: "Leave",
    },
  },
  decline: {
    label: "I don’t want it any more",
    quiet: true,
    ask: {
      title: "Give your turn away?",
      text: "What is reserved for you goes to the next person in line.",
      no: "Keep my turn",
      yes: "Give it away",
    },
  },
};

/** The line of a path in the chooser: how it stands. @param {string} title @param {number | null} leftMs */
export function statusWords(title, leftMs) {
  return leftMs === null ? title : `${title}, ${clock(leftMs)} left`;
}

/**
 * Why the line moves as it does, or why one stands there; "" when there is nothing to explain (a pause has a screen of
 * its own).
 * @param {string} why @param {number} faster sign of the change
 */
export function whyWords(why, faster) {
  if (why === "failover") return "A failure on our side undid what you were told last. We are sorry: this is how you stand.";
  if (why === "resumed") return "The line is moving again.";
  if (why === "rate_changed") {
    if (faster === 0) return "The shop has changed the pace.";
    return faster > 0 ? "The shop lets people in faster now." : "The shop lets people in more slowly now.";
  }
  if (why === "passed_over") return "What you chose is not free just now, so others went ahead. You keep your place.";
  if (why === "returned") return "Somebody who missed a turn took their old place back. Everybody may, once.";
  return "";
}

/** How much is left of a variant; "" where there is plenty, or nobody counts. @param {object} [stock] its frame */
export function stockWords(stock) {
  if (stock?.band === "none") return "Not free just now";
  if (stock?.left !== undefined) return `${count(stock.left)} left`;
  return { last: "The last ones", few: "Only a few left" }[stock?.band] ?? "";
}

/** What choosing does. @param {boolean} changes what a ticket is for @param {boolean} chosen */
export function choiceWords(changes, chosen) {
  if (changes) return `You may ${chosen ? "change it" : "choose"} while you wait. Your place stays.`;
  return chosen ? "You may still change it." : "Choose what you would like first.";
}

/** What the small badge says about the link. @param {import("./client.js").LinkState} link @param {number} now ms */
export function linkWords(link, now) {
  if (link.phase === "live") return link.transport === "socket" ? "Live" : "Live, by a slower way";
  if (link.phase === "connecting") return "Connecting…";
  if (link.phase === "ended") return "Not connected";
  const seconds = Math.ceil(Math.max(0, (link.retryAt ?? now) - now) / 1000);
  const again = seconds > 2 ? `, trying again in ${seconds} s` : "";
  if (link.reason === "offline") return `No network${again}. Your place is safe`;
  if (link.reason === "busy") return `Many people at the door${again}. Your place is safe`;
  return `Reconnecting${again}. Your place is safe`;
}

/** Why a button did not do what it says. @param {import("./client.js").Refused} refused */
export function refusalWords(refused) {
  if (["offline", "connection_lost", "no_answer"].includes(refused.reason)) {
    return "We could not reach the server. Please try again in a moment.";
  }
  return refused.frame.message ?? refused.frame.detail ?? "That did not work. Please try again.";
}
