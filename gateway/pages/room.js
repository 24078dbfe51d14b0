/**
 * The waiting-room page: puts what `room_state.js` says on the screen, and sends what the consumer presses.
 *
 * Rules: opening the page joins by priority, unless the ticket of this browser has come to an end that should be seen
 * first. The document is written only where something changed, once a frame of the screen or a second. What speaks to
 * screen readers is one quiet line (`Announcer`). Colours of the merchant go in through CSSOM, never as inline style.
 */

import { Refused, connect } from "./client.js";
import { Announcer, Standing } from "./room_state.js";
import * as say from "./room_words.js";

const TICK_MS = 1000;
const FULL_RETRY_MS = 15_000;
const ROPE_FROM = 0.06; // beside the post, not before it
const ROPE_TO = 0.94;
const WAKE_SPACE_MS = 5_000;

const experience = decodeURIComponent(location.pathname.split("/")[2] ?? "");
const $ = (id) => document.getElementById(id);
const shown = [...document.querySelectorAll("[data-show]")].map((part) => [part, part.dataset.show.split(" ")]);
const announcer = new Announcer();
const standing = new Standing(memory(sessionStorage, `stanchion/${experience}/`));
const over = memory(localStorage, `stanchion/${experience}/`);

let scheduled = false;
let wokeAt = -Infinity;
let themed = "";

const link = connect({
  experience,
  join: over.get("over") === 1 ? [] : [""],
  onFrame: (frame) => {
    standing.take(frame);
    follow(frame);
    soon();
  },
  onState: (state) => {
    if (state.phase === "ended" && state.reason !== "closed") standing.end(state.reason);
    soon();
  },
});

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

/** What a frame makes the page do by itself. */
function follow(frame) {
  if (standing.isOver) over.set("over", 1);
  if (standing.isLive) over.set("over", 0);
  if (frame.type === "phase" && standing.couldJoin) void press("join");
  if (frame.type === "error" && frame.reason === "full" && standing.screen(0).state === "full") {
    setTimeout(() => void press("join"), (frame.retry_after_ms ?? FULL_RETRY_MS) * (1 + Math.random()));
  }
}

// --- pressing ---

/** @param {"join" | "rejoin" | "leave" | "decline"} type */
async function press(type) {
  const path = standing.screen(0).path;
  standing.forgetRefusal();
  $("problem").hidden = true;
  try {
    await link.command(type === "join" || path === null ? { type } : { type, path });
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    tellProblem(error);
  }
  soon();
}

function tellProblem(refused) {
  const state = standing.screen(0).state;
  if (["full", "closed", "needs_level", "refused", "scheduled"].includes(state)) return; // the page says it already
  $("problem").textContent = say.refusalWords(refused);
  $("problem").hidden = false;
}

function confirmed(title, text, no, yes) {
  const dialog = $("confirm");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-no").textContent = no;
  $("confirm-yes").textContent = yes;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

$("confirm-no").addEventListener("click", () => $("confirm").close("no"));
$("confirm-yes").addEventListener("click", () => $("confirm").close("yes"));
$("join").addEventListener("click", () => void press("join"));
$("rejoin").addEventListener("click", () => void press("rejoin"));
$("leave").addEventListener("click", async () => {
  const text = "Your place goes to the people behind you. You can join again, but only at the back.";
  if (await confirmed("Leave the line?", text, "Keep my place", "Leave")) await press("leave");
});
$("decline").addEventListener("click", async () => {
  const text = "What is reserved for you goes to the next person in line.";
  if (await confirmed("Give your turn away?", text, "Keep my turn", "Give it away")) await press("decline");
});

// --- showing ---

/** Many frames, one painting. */
function soon() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    show();
  });
}

function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

/** A large figure, as large as its length allows. */
function figure(id, value) {
  text(id, value);
  $(id).style.setProperty("--digits", String(Math.max(3, value.length)));
}

function show() {
  const now = link.serverNow();
  const screen = standing.screen(now);
  const said = say.words(screen);
  document.body.dataset.state = screen.state;
  document.body.dataset.link = link.state.phase;
  document.body.dataset.paused = screen.paused ?? "";
  document.body.dataset.transport = link.state.transport;
  for (const [part, states] of shown) part.toggleAttribute("hidden", !states.includes(screen.state));
  text("headline", said.headline);
  text("message", said.message);
  text("link-text", say.linkWords(link.state, now));
  showExperience(now);
  showWaiting(screen);
  showClocks(screen, now);
  showButtons(screen);
  showTitle(screen, said, now);
  announce(screen, said, now);
}

function showExperience(now) {
  const view = standing.experience;
  if (view === null) return;
  text("experience-name", view.name);
  const notice = standing.notice !== null && (standing.notice.until ?? now) >= now ? standing.notice : null;
  $("notice").hidden = notice === null;
  $("notice").dataset.level = notice?.level ?? "";
  text("notice", notice?.text ?? "");
  const key = JSON.stringify([view.theme, view.products]);
  if (key === themed) return;
  themed = key;
  applyTheme(view.theme?.accent);
  showProducts(view.products);
}

/** The merchant's colour, with the ink that is readable on it. */
function applyTheme(accent) {
  if (!accent || !CSS.supports("color", accent)) return;
  const pixel = new OffscreenCanvas(1, 1).getContext("2d");
  pixel.fillStyle = accent;
  pixel.fillRect(0, 0, 1, 1);
  const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
  const linear = [red, green, blue].map((part) => (part / 255) ** 2.2);
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  document.documentElement.style.setProperty("--brand", accent);
  document.documentElement.style.setProperty("--on-brand", luminance > 0.3 ? "#16130f" : "#ffffff");
}

function showProducts(products) {
  const parts = products.map((product) => {
    const part = document.createElement("p");
    const name = document.createElement("strong");
    name.textContent = product.name;
    const prices = new Set(product.variants.map((variant) => say.price(variant.price, variant.currency)));
    const variants = product.variants.map((variant) => variant.name).join(", ");
    part.append(name, document.createTextNode(` ${variants} `));
    const cost = document.createElement("span");
    cost.textContent = [...prices].join(" / ");
    part.append(cost);
    return part;
  });
  $("products").replaceChildren(...parts);
  $("products").hidden = parts.length === 0;
}

function showWaiting(screen) {
  const ahead = screen.ahead;
  const said = ahead === null ? "…" : say.count(ahead);
  if ($("ahead").textContent !== said) {
    figure("ahead", said);
    if (!calm()) $("ahead").animate([{ opacity: 0.3, translate: "0 -0.06em" }, { opacity: 1, translate: "0 0" }], 450);
  }
  text("ahead-label", ahead === 1 ? "person ahead of you" : "people ahead of you");
  const held = screen.eta === null && (screen.state !== "waiting" || screen.rate === 0);
  text("eta", held ? "On hold" : say.wait(screen.eta));
  text("rate", screen.rate === null ? "…" : say.pace(screen.rate, screen.paused !== null));
  text("of", screen.of === null ? "…" : say.people(screen.of));
  const why = ["waiting", "sold_out"].includes(screen.state) ? say.whyWords(screen.why, screen.faster) : "";
  text("why", why);
  $("why").hidden = why === "";
}

function showClocks(screen, now) {
  const until = screen.opensAt;
  figure("opens-in", until === null ? "Soon" : say.clock(until - now));
  const instant = { weekday: "long", hour: "2-digit", minute: "2-digit" };
  text("opens-at", until === null ? "" : `opens ${new Date(until).toLocaleString(undefined, instant)}`);
  if (screen.expiresAt === null) {
    $("time-left").parentElement.hidden = true; // checked out elsewhere: the window is not told again
    return showRope(screen.progress);
  }
  const left = Math.max(0, screen.expiresAt - now);
  figure("time-left", say.clock(left));
  document.body.dataset.hurry = String(left < 60_000);
  return showRope(left / Math.max(1, screen.expiresAt - screen.windowFrom));
}

/** How far along the rope we are. @param {number | null} part 0 to 1 */
function showRope(part) {
  if ($("rope").hasAttribute("hidden")) return;
  const share = Math.min(1, Math.max(0, part ?? 0));
  const at = ROPE_FROM + share * (ROPE_TO - ROPE_FROM);
  const rope = $("rope-done");
  const point = rope.getPointAtLength(rope.getTotalLength() * at);
  $("rope").setAttribute("aria-valuenow", String(Math.round(share * 100)));
  $("rope-you").style.setProperty("translate", `${point.x}px ${point.y}px`);
  rope.style.setProperty("stroke-dashoffset", String(100 * (1 - at)));
}

function showButtons(screen) {
  const shop = standing.experience?.checkout_url ?? null;
  const address = screen.checkoutUrl ?? shop;
  if (address !== null && $("checkout").href !== address) $("checkout").href = address;
  text("checkout", screen.state === "redeemed" ? "Back to the shop" : "Go to checkout");
  $("rejoin").hidden = !(screen.state === "expired" && screen.mayRejoin);
  $("join").hidden = !mayJoinAgain(screen);
}

function mayJoinAgain(screen) {
  if (screen.state === "lost") return screen.reason === "failover";
  return screen.state === "left" || (screen.state === "expired" && !screen.mayRejoin);
}

function showTitle(screen, said, now) {
  const name = standing.experience?.name;
  const left = screen.expiresAt !== null ? ` ${say.clock(screen.expiresAt - now)}` : "";
  const opens = screen.state === "scheduled" && screen.opensAt !== null;
  const what = opens ? `Opens in ${say.clock(screen.opensAt - now)}` : said.title + left;
  const title = `${what}${name ? ` – ${name}` : ""}`;
  if (document.title !== title) document.title = title;
}

function announce(screen, said, now) {
  const parts = [`${said.headline.replace(/[.!]$/, "")}.`];
  if (screen.ahead !== null) parts.push(`${say.people(screen.ahead)} ahead of you.`);
  if (screen.eta !== null) parts.push(`${say.wait(screen.eta)}.`);
  if (screen.expiresAt !== null) parts.push(`${say.spoken(screen.expiresAt - now)} left.`);
  const spokenNow = announcer.next(said.headline, parts.join(" "), performance.now());
  if (spokenNow !== null) text("announcer", spokenNow);
}

function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
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
show();
