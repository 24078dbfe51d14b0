/** Every sentence of an auction. Pure: no document, no clock. Rules as in `room_words.js`. */

import { clock, count, lostWords, price } from "../room_words.js";

const HELD = "The clock stands still meanwhile, and what is lost is given back.";

/** By state: headline, message and title. */
export const STATES = {
  scheduled: (screen) => [
    screen.opensAt === null ? "The auction is not open yet" : "The auction opens soon",
    "Come back then, or stay here: this page opens by itself.",
    "Opens soon",
  ],
  open: openWords,
  leading: (screen) =>
    held(screen) ?? [
      "You are leading",
      `As it stands you pay ${money(screen.price, screen.currency)}. We bid for you, up to your maximum, ` +
        "only as much as it takes.",
      `Leading at ${money(screen.price, screen.currency)}`,
    ],
  outbid: (screen) =>
    held(screen) ?? [
      "You are outbid",
      "Somebody would pay more than your maximum. Bid more to lead again.",
      `Outbid at ${money(screen.price, screen.currency)}`,
    ],
  hoping: () => [
    "Not won, but next in line",
    "If the winner does not buy, you are offered it at your own maximum. You may close this page.",
    "Next in line",
  ],
  won: () => [
    "It is yours",
    "Your time to check out begins as soon as there is room in the shop. Nobody can take it from you.",
    "You won",
  ],
  offered: () => [
    "A second chance",
    "The winner did not buy. It is yours at your own maximum, if you take it in time.",
    "Offered to you",
  ],
  admitted: () => ["You won. It’s your turn", "What you won is reserved for you until the time is over.", "You won"],
  expired: () => ["Your time has passed", "The time is over, and what you could have had is yours no more.", "Time is over"],
  left: () => ["You passed it on", "Thank you for telling us. It goes to somebody else.", "Passed on"],
  lost: (screen) => LOST[screen.reason] ?? lostWords(screen),
  closed: (screen) => ["The auction is over", overWords(screen), "Over"],
};

const LOST = {
  outbid: ["You did not win", "The hammer has fallen, and others went higher. Thank you for bidding.", "Not won"],
  ended: ["The auction is over", "It ended before you had bid high enough, or at all.", "Over"],
};

function overWords({ dutch, left, reserve }) {
  if (dutch) return left === 0 ? "Everything is taken." : "Its time is over.";
  return reserve === false ? "The reserve was not reached, so nobody has won." : "The hammer has fallen.";
}

function openWords(screen) {
  if (screen.paused !== null) return held(screen);
  if (screen.dutch) {
    const last = screen.dropsIn === null ? "This is the lowest it gets." : "It falls until somebody takes it.";
    return ["The price is falling", `${last} Whoever takes it first has it.`, standing(screen)];
  }
  return [
    "The auction is running",
    "Say the most that you would pay. We bid for you, only as much as it takes to lead.",
    standing(screen),
  ];
}

function standing(screen) {
  return screen.price === null ? "Open" : `${money(screen.price, screen.currency)} now`;
}

function held(screen) {
  if (screen.paused === null) return null;
  const why = screen.paused === "outage" ? "A short interruption" : "The auction is paused";
  return [why, `Nobody can bid just now. ${HELD}`, "Paused"];
}

/** @param {string | null} amount decimal string @param {string} currency */
export function money(amount, currency) {
  return amount === null ? "…" : price(amount, currency);
}

/** The large figure and what it is. @returns {{figure: string, label: string}} */
export function figureWords(screen) {
  const { state, currency, dutch, bids } = screen;
  if (state === "offered") return { figure: money(screen.pays, currency), label: "your own maximum" };
  const figure = money(screen.price ?? screen.start, currency);
  if (dutch) return { figure, label: "is the price now" };
  if (bids === 0) return { figure, label: "to begin with" };
  return { figure, label: `with ${count(bids)} ${bids === 1 ? "bid" : "bids"}` };
}

/** What is known, as terms and what they are. @returns {{key: string, value: string}[]} */
export function factWords(screen) {
  const { currency, state } = screen;
  const facts = [];
  const add = (key, value) => value !== null && facts.push({ key, value });
  const shown = (amount) => (amount === null ? null : money(amount, currency));
  if (screen.hammered || ["admitted", "redeemed", "completed"].includes(state)) {
    const own = ["won", "admitted", "redeemed", "completed"].includes(state);
    if (own) add("You pay", shown(screen.pays));
    else if (state !== "offered" && !screen.dutch) add("Hammer price", shown(screen.price));
    add("Your maximum", shown(screen.maximum));
    if (state === "offered") add("Take it within", clock(screen.claimIn));
    return facts;
  }
  const runs = (ms) => (screen.paused === null ? clock(ms) : "on hold");
  if (screen.endsIn !== null) add("Ends in", runs(screen.endsIn));
  if (screen.extensions > 0) add("Extended", screen.extensions === 1 ? "once" : `${count(screen.extensions)} times`);
  if (screen.dutch) {
    if (screen.dropsIn !== null) add("Next drop in", runs(screen.dropsIn));
    if (screen.left !== null) add("Left", count(screen.left));
    return facts;
  }
  if (screen.reserve !== null) add("Reserve", screen.reserve ? "met" : "not met yet");
  add("Your maximum", shown(screen.maximum));
  return facts;
}

/** Below the form. */
export function bidHint({ minNext, maximum, currency }) {
  const raises = maximum !== null && Number(maximum) >= Number(minNext);
  const least = raises ? `More than ${money(maximum, currency)}. ` : `At least ${money(minNext, currency)}. `;
  return `${minNext === null ? "" : least}Nobody is told your maximum. A bid cannot be taken back.`;
}

/** @param {{price: string, currency: string}} screen */
export function takeLabel({ price: now, currency }) {
  return `Take it for ${money(now, currency)}`;
}

/** What is asked before a bid. @param {string} maximum */
export function bidAsked(maximum) {
  return {
    title: `Bid up to ${maximum}?`,
    text: "You pay less if less is enough to win. A bid cannot be taken back.",
    no: "Not yet",
    yes: "Bid",
  };
}

export const CONTROLS = {
  take: { label: "Take it" },
  claim: { label: "Take it" },
  decline: {
    label: "I don’t want it any more",
    quiet: true,
    ask: {
      title: "Give it away?",
      text: "What is reserved for you goes to somebody else.",
      no: "Keep it",
      yes: "Give it away",
    },
  },
};
