/**
 * The waiting-room page: keeps the link, puts what `room_state.js` says on the screen (`room_screen.js`), and sends what
 * the consumer presses. What each kind of path shows and offers is in `kinds/`.
 *
 * Rules: opening the page joins by itself where the path in focus does so and nobody holds a ticket (`Standing`), once
 * all that is held has been told; whatever else is pressed. The address's hash names the path in focus. The document is
 * written once a frame of the screen or a second.
 */

import { Refused, connect } from "./client.js";
import { KINDS } from "./kinds/kinds.js";
import { LotteryCheck } from "./kinds/lottery_check.js";
import { $, element, facts, figure, list, text } from "./room_page.js";
import { show } from "./room_screen.js";
import { Standing } from "./room_state.js";
import * as say from "./room_words.js";

const TICK_MS = 1000;
const RETRY_MS = 15_000;
const WAKE_SPACE_MS = 5_000;
const TOLD_BY_STATE = ["full", "closed", "needs_level", "needs_code", "not_for_you", "limit", "refused", "scheduled"];

const experience = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const standing = new Standing(memory(sessionStorage, `stanchion/${experience}/`), named());
const page = {
  ...{ $, text, figure, list, facts, element, press, soon, experience },
  control: pressControl,
  choose,
  focus: () => standing.focus,
};

let scheduled = false;
let joining = false;
let wokeAt = -Infinity;

const link = connect({
  experience,
  onFrame: (frame) => {
    standing.take(frame);
    if (frame.type === "phase") void joinByItself();
    soon();
  },
  onState: (state) => {
    if (state.phase === "ended" && state.reason !== "closed") standing.end(state.reason);
    soon();
  },
});

/** The path that the address names. */
function named() {
  return location.hash === "" ? null : location.hash.slice(1);
}

/** Numbers that outlive a reload; a browser that keeps nothing is served all the same. */
function memory(storage, prefix) {
  const held = new Map();
  const tried = (attempt) => {
    try {
      return attempt();
    } catch (error) {
      if (error instanceof DOMException) return null; // storage is switched off or full
      throw error;
    }
  };
  return {
    get: (key) => {
      const kept = held.get(key) ?? tried(() => storage.getItem(prefix + key));
      return kept === null ? null : Number(kept);
    },
    set: (key, value) => {
      held.set(key, value);
      tried(() => storage.setItem(prefix + key, String(value)));
    },
  };
}

// --- joining and pressing ---

/** Takes a ticket where that needs no word of the consumer; what can succeed later is tried again. */
async function joinByItself() {
  const path = standing.joinable?.id;
  if (path === undefined || joining) return;
  joining = true;
  try {
    await link.command({ type: "join", path });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.temporary) joinLater(path, error.frame.retry_after_ms ?? RETRY_MS);
  } finally {
    joining = false;
  }
}

function joinLater(path, ms) {
  setTimeout(() => {
    standing.forgetRefusal(path);
    void joinByItself();
  }, ms * (1 + Math.random()));
}

/** Sends a command for the path in focus. @returns {Promise<import("./client.js").Frame | null>} */
async function press(frame) {
  const path = standing.focus?.id;
  if (path === undefined) return null;
  standing.forgetRefusal(path);
  $("problem").hidden = true;
  try {
    return await link.command({ ...frame, path });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tellProblem(error);
    return null;
  } finally {
    soon();
  }
}

/** @param {import("./kinds/kind.js").Control} control */
async function pressControl({ frame, ask }) {
  return ask === undefined || (await confirmed(ask)) ? press(frame) : null;
}

/** Wants another variant of what the path in focus sells: the ticket is for it, or the next one is. */
async function choose(variant) {
  const { choice } = standing.focus;
  choice.mean(variant);
  soon();
  if (choice.changes && (await press({ type: "choose", variant })) === null) choice.mean(null);
}

function tellProblem(refused) {
  if (TOLD_BY_STATE.includes(standing.screen(link.serverNow()).state)) return; // the page says it already
  $("problem").textContent = say.refusalWords(refused);
  $("problem").hidden = false;
}

function confirmed(ask) {
  const dialog = $("confirm");
  $("confirm-title").textContent = ask.title;
  $("confirm-text").textContent = ask.text;
  $("confirm-no").textContent = ask.no;
  $("confirm-yes").textContent = ask.yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

$("confirm-no").addEventListener("click", () => $("confirm").close("no"));
$("confirm-yes").addEventListener("click", () => $("confirm").close("yes"));
$("code-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void press({ type: "join", code: $("code").value.trim() });
});
LotteryCheck.wire(page);
for (const kind of Object.values(KINDS)) kind.wire(page);

addEventListener("hashchange", () => {
  standing.choose(named());
  $("problem").hidden = true;
  soon();
});

// --- showing ---

function paint() {
  show(standing, link.state, link.serverNow(), page);
}

/** Many frames, one painting. */
function soon() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    paint();
  });
}

// --- the page comes and goes: a phone sleeps, a tab is restored ---

function wake() {
  if (document.hidden || performance.now() - wokeAt < WAKE_SPACE_MS) return;
  wokeAt = performance.now();
  link.wake();
  soon();
}

addEventListener("online", wake);
addEventListener("pagehide", () => link.close());
addEventListener("pageshow", (event) => event.persisted && link.open());
document.addEventListener("visibilitychange", wake);
setInterval(soon, TICK_MS);
paint();
