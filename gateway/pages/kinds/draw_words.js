/** Every sentence of a draw. Pure: no document, no clock. Rules as in `room_words.js`. */

import { count, instant, lostWords } from "../room_words.js";

const KEPT = "You may close this page: your entry is kept.";
const OUTAGE = "Something on our side stopped for a moment. Your entry is safe.";
const FAIR = "Chance decides, not speed: when you enter makes no difference.";

/** By state: headline, message and title. */
export const STATES = {
  scheduled: (screen) => [
    screen.opensAt === null ? "The draw is not open yet" : "The draw opens soon",
    `Come back then, or stay here. ${FAIR}`,
    "Opens soon",
  ],
  open: () => ["The draw is open", FAIR, "Open"],
  full: () => ["All entries are taken", "This draw takes no more entries, unless somebody withdraws.", "Full"],
  closed: (screen) =>
    screen.isOver
      ? ["The draw is over", "It has been decided, and anybody can check how.", "Over"]
      : ["Entries are closed", "This draw takes no more entries.", "Closed"],
  entered: (screen) => [
    "You are in the draw",
    screen.paused === "outage" ? OUTAGE : `As soon as it is decided you are told here. ${KEPT}`,
    "Entered",
  ],
  sealed: (screen) => [
    "Entries are closed",
    screen.paused === "outage" ? OUTAGE : `Your entry is in the hat, and none can be added or taken out. ${KEPT}`,
    "Entered, drawn soon",
  ],
  drawing: drawingWords,
  won: () => [
    "You won",
    "Your time to check out begins as soon as there is room in the shop. Nobody can take it from you.",
    "You won",
  ],
  reserve: () => [
    "Not drawn, but next in reserve",
    `If a winner does not buy, the next in the order that was drawn move up. ${KEPT}`,
    "In reserve",
  ],
  admitted: () => ["You won. It’s your turn", "What you won is reserved for you until the time is over.", "You won"],
  expired: (screen) => [
    "Your time has passed",
    screen.mayRejoin
      ? "The time to check out is over. That happens: once, you may take your win back and are next again."
      : "The time to check out is over, and what was reserved went to the next in the order.",
    "Your time has passed",
  ],
  left: (screen) => (screen.reason === "left" ? WITHDRAWN(screen) : PASSED_ON),
  lost: (screen) => (screen.reason === "not_drawn" ? NOT_DRAWN : lostWords(screen)),
};

const NOT_DRAWN = ["You were not drawn", "Chance went to others this time. Thank you for entering.", "Not drawn"];
const PASSED_ON = ["You passed it on", "Thank you: the next in the order that was drawn moves up.", "Passed on"];
const WITHDRAWN = (screen) => [
  "You have withdrawn",
  `Your entry is out of the hat.${screen.canEnter ? " You can enter again until entries close." : ""}`,
  "Withdrawn",
];

function drawingWords(screen) {
  if (screen.paused === "outage") return ["A short interruption", OUTAGE, "On hold"];
  if (screen.paused !== null) {
    return ["The draw is on hold", "It is drawn as soon as the shop goes on. Your entry is safe.", "On hold"];
  }
  if (screen.beacon === null) return ["The draw is being made", "One moment: the order is on its way.", "Being drawn"];
  const { round } = screen.beacon;
  return [
    "Waiting for the beacon",
    `The draw waits for round ${round} of a public beacon, which nobody can know before, the shop included. ${KEPT}`,
    "Being drawn",
  ];
}

export const CONTROLS = {
  join: { label: "Enter the draw" },
  again: { label: "Enter the draw again" },
  rejoin: { label: "Take your win back" },
  leave: {
    label: "Withdraw my entry",
    quiet: true,
    ask: {
      title: "Withdraw your entry?",
      text: "It is taken out of the hat. You can enter again until entries close.",
      no: "Keep my entry",
      yes: "Withdraw",
    },
  },
  decline: {
    label: "I don’t want it any more",
    quiet: true,
    ask: {
      title: "Give your win away?",
      text: "What is reserved for you goes to the next in the order that was drawn.",
      no: "Keep my win",
      yes: "Give it away",
    },
  },
};

/** Below the countdown. @param {string} state @param {number | null} until epoch ms @param {number} now */
export function clockWords(state, until, now) {
  const what = state === "open" ? "until entries close" : "until the draw";
  return until === null ? what : `${what}, ${instant(until, now)}`;
}

/** What is known of the draw, as terms and what they are. @returns {{key: string, value: string}[]} */
export function factWords({ result, winners, drawAt, drawn }, now) {
  const facts = [];
  if (winners !== null) facts.push({ key: "Winners", value: count(winners) });
  if (result?.entrants !== undefined) facts.push({ key: "Entries", value: count(result.entrants) });
  if (result?.place !== undefined) facts.push({ key: "Drawn as", value: `number ${count(result.place)}` });
  if (!drawn && drawAt !== null) facts.push({ key: "Drawn", value: instant(drawAt, now) });
  return facts;
}
