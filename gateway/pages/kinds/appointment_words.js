/** Every sentence of an appointment. Pure: no document, no clock. Rules as in `room_words.js`. */

import { count, lostWords } from "../room_words.js";

const CHOOSE = "Pick a day and a time. It is kept for you while you confirm it.";
const WATCH = "Places come back when others change their minds. This page shows it at once.";

/** By state: headline, message and title. */
export const STATES = {
  open: choosingWords,
  choosing: choosingWords,
  held: () => ["Kept for you", "Confirm it before the time is over, or take another one below.", "Confirm your time"],
  unpaid: (screen) => [
    "Kept until you pay",
    screen.paused === "outage"
      ? "Something on our side stopped for a moment. Your place is safe."
      : "Your turn to pay comes by itself, and then it is booked. You may close this page.",
    "Kept, to be paid",
  ],
  admitted: () => ["It’s your turn to pay", "Your time is kept until the clock has run out. It is booked when it is paid.", "Your turn"],
  booked: (screen) => [
    "You are booked",
    screen.canChange
      ? "Show your code when you come. You may close this page: your booking is kept."
      : "Show your code when you come. It is too late to change it now.",
    "Booked",
  ],
  changing: () => ["Choose another time", "The time that you have stays yours until you have another.", "Changing"],
  completed: () => ["Thank you for coming", "You are checked in. You may close this page.", "Checked in"],
  expired: () => ["We missed you", "Nobody came with your code, so this booking is over. You may book another time.", "Missed"],
  left: choosingWords,
  closed: () => ["No more bookings", "No times are given out any more. What is booked stays booked.", "Closed"],
  lost: (screen) => (screen.reason === "failover" ? lostWords(screen) : OVER),
};

const OVER = ["The times are over", "There is nothing left to book. Thank you for coming by.", "Over"];

const GIVEN_BACK = {
  hold_over: ["Your time was given back", `It was not confirmed in time. ${CHOOSE}`, "Choose again"],
  merchant: ["The shop had to cancel", "We are sorry: your booking is no more. You may choose another time.", "Cancelled"],
  cancelled: ["You gave it back", `Somebody else can have it now. ${CHOOSE}`, "Choose again"],
};

function choosingWords(screen) {
  if (screen.paused === "outage") {
    return ["A short interruption", "Something on our side stopped. Times can be chosen again in a moment.", "Paused"];
  }
  if (screen.paused !== null) return ["A short pause", "Times can be chosen again as soon as the shop goes on.", "Paused"];
  if (screen.givenBack) return GIVEN_BACK[screen.givenBack];
  if (screen.anyFree === false) return ["Nothing is free just now", WATCH, "Nothing free"];
  return ["Choose a time", CHOOSE, "Choose a time"];
}

export const CONTROLS = {
  book: { label: "Confirm this time" },
  release: { label: "Let it go", quiet: true },
  cancel: {
    label: "Cancel my booking",
    quiet: true,
    ask: {
      title: "Cancel your booking?",
      text: "Your place goes to somebody else. You can book again if there is one left.",
      no: "Keep my booking",
      yes: "Cancel it",
    },
  },
};

/** What is asked before a booking is moved. @param {string} when */
export function moveQuestion(when) {
  const text = `You have ${when} then, and the time that you had goes to somebody else.`;
  return { title: "Take this time instead?", text, no: "Keep my time", yes: "Take it" };
}

/** Which clock the times are by. @param {string} zone @param {string} own @param {boolean} same all times are the same */
export function zoneWords(zone, own, same) {
  const there = `Times are local to ${placeOf(zone)} (${zone})`;
  return same ? `${there}, as on your clock.` : `${there}; below each is your own time (${own}).`;
}

function placeOf(zone) {
  return zone.split("/").at(-1).replaceAll("_", " ");
}

/** @param {number} free @param {boolean} own it is the one held or booked */
export function freeWords(free, own) {
  if (own) return "yours";
  if (free === 0) return "not free";
  return free === 1 ? "last place" : `${count(free)} places`;
}

/** @param {number} free of a whole day */
export function dayFreeWords(free) {
  return free === 0 ? "none free" : `${count(free)} free`;
}

/** For ears. @param {import("./appointment_slots.js").Slot} slot @param {boolean} own */
export function slotWords({ time, own, free }, mine) {
  return `${time}${own === null ? "" : `, ${own} your time`}, ${freeWords(free, mine)}`;
}

/** What is known of the time that is held or booked. @returns {{key: string, value: string}[]} */
export function factWords({ when, location, changeUntil, canChange, state }) {
  if (when === null) return [];
  const facts = [{ key: "When", value: when.there }];
  if (when.own !== null) facts.push({ key: "Your time", value: when.own });
  if (location) facts.push({ key: "Where", value: location });
  if (state === "booked" && canChange) facts.push({ key: "Change until", value: changeUntil });
  return facts;
}
