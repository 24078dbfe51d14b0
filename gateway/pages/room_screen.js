/**
 * Puts a screen on the document: what all kinds have in common, and then what the path's own kind fills in.
 *
 * Rules: written only where something changed. What speaks to screen readers is one quiet line (`Announcer`). Colours
 * of the merchant go in through CSSOM, never as inline style.
 */

import { $, calm, element, figure, list, text } from "./room_page.js";
import { Announcer } from "./room_state.js";
import * as say from "./room_words.js";

const ROPE_FROM = 0.06; // beside the post, not before it
const ROPE_TO = 0.94;
const HURRY_MS = 60_000;
const LATE = ["sold_out", "not_drawn", "outbid"];
const MEASURED = ["waiting", "sold_out", "listed"]; // states in which the movement of the line is explained

const parts = [...document.querySelectorAll("[data-show], [data-kind]")].map((part) => ({
  part,
  states: part.dataset.show?.split(" ") ?? null,
  kinds: part.dataset.kind?.split(" ") ?? null,
}));
const announcer = new Announcer();

let themed = "";

/**
 * Shows where the consumer stands.
 * @param {import("./room_state.js").Standing} standing @param {import("./client.js").LinkState} link
 * @param {number} now server's clock, ms @param {import("./kinds/kind.js").Page} page
 */
export function show(standing, link, now, page) {
  const screen = standing.screen(now);
  const kind = standing.focus?.kind ?? null;
  const said = say.words(screen, kind?.constructor.WORDS);
  document.body.dataset.state = screen.state;
  document.body.dataset.kind = standing.focus?.view.kind ?? "";
  document.body.dataset.link = link.phase;
  document.body.dataset.paused = screen.paused ?? "";
  document.body.dataset.transport = link.transport;
  showParts(screen.state);
  text("headline", said.headline);
  text("message", said.message);
  text("link-text", say.linkWords(link, now));
  showExperience(standing, now);
  showPaths(standing, now);
  showWaiting(screen);
  showClocks(screen, now);
  showControls(standing, screen, page);
  showWaitlist(standing, screen);
  kind?.show(page, screen, now);
  showTitle(standing, screen, now);
  announce(standing, screen, said, now);
}

function showParts(state) {
  const focused = document.body.dataset.kind;
  for (const { part, states, kinds } of parts) {
    const seen = (kinds === null || kinds.includes(focused)) && (states === null || states.includes(state));
    part.toggleAttribute("hidden", !seen);
  }
}

function showExperience(standing, now) {
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
  const items = products.map((product) => ({ key: product.id, ...product }));
  list("products", items, (product) => {
    const prices = new Set(product.variants.map((variant) => say.price(variant.price, variant.currency)));
    const variants = product.variants.map((variant) => variant.name).join(", ");
    const line = element("p", "");
    line.append(element("strong", product.name), ` ${variants} `, element("span", [...prices].join(" / ")));
    return line;
  });
}

/** The chooser, where there is something to choose. */
function showPaths(standing, now) {
  const { focus, paths } = standing;
  const several = paths.length > 1;
  $("paths").hidden = !several;
  $("path-name").hidden = !several;
  if (!several) return;
  text("path-name", focus?.name ?? "");
  const items = paths.map((path) => {
    const screen = path.screen(now);
    const { title } = say.words(screen, path.kind.constructor.WORDS);
    const left = screen.state === "admitted" ? screen.expiresAt - now : null;
    const urgent = path === standing.urgent;
    const item = { key: path.id, name: path.name, kind: path.kind.constructor.NAME, current: path === focus, urgent };
    return { ...item, status: say.statusWords(title, left) };
  });
  list("paths-list", items, pathEntry);
}

function pathEntry({ key, name, kind, status, current, urgent }) {
  const link = element("a", "", { href: `#${key}`, ...(current ? { "aria-current": "true" } : {}) });
  link.append(element("strong", name));
  if (kind !== name) link.append(element("span", kind, { class: "kind-name" }));
  link.append(element("span", status, { class: "status" }));
  const entry = element("li", "", urgent ? { class: "urgent" } : {});
  entry.append(link);
  return entry;
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
  const explained = screen.why === "failover" || MEASURED.includes(screen.state);
  const why = explained ? say.whyWords(screen.why, screen.faster) : "";
  text("why", why);
  $("why").hidden = why === "";
}

function showClocks(screen, now) {
  const until = screen.opensAt;
  figure("opens-in", until === null ? "Soon" : say.clock(until - now));
  text("opens-at", until === null ? "" : `opens ${say.instant(until, now)}`);
  if (screen.expiresAt === null) {
    $("time-left").parentElement.hidden = true; // checked out elsewhere: the window is not told again
    return showRope(screen.progress);
  }
  const left = Math.max(0, screen.expiresAt - now);
  figure("time-left", say.clock(left));
  document.body.dataset.hurry = String(left < HURRY_MS);
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

function showControls(standing, screen, page) {
  const shop = standing.experience?.checkout_url ?? null;
  const address = screen.checkoutUrl ?? shop;
  if (address !== null && $("checkout").href !== address) $("checkout").href = address;
  text("checkout", screen.state === "redeemed" ? "Back to the shop" : "Go to checkout");
  const controls = standing.focus?.controls(screen) ?? [];
  showChoice(standing, controls, page);
  const items = controls.map((control) => ({ key: `${screen.path} ${control.id}`, ...control }));
  list("controls", items, (control) => {
    const kind = control.quiet ? "quiet-button" : "button";
    const button = element("button", control.label, { id: control.id, class: kind, type: "button" });
    button.disabled = control.disabled ?? false;
    button.addEventListener("click", () => void page.control(control));
    return button;
  });
  const joins = screen.state === "joining" || controls.some(({ frame }) => frame.type === "join");
  showTerms(standing.focus?.view.terms, joins);
  if (standing.focus !== null) text("foot-note", standing.focus.kind.footNote);
}

/** What may be chosen of what the path sells. */
function showChoice(standing, controls, page) {
  const choice = standing.focus?.choice;
  const open = choice?.isOpen(controls) ?? false;
  $("choice").hidden = !open;
  if (!open) return;
  text("choice-hint", say.choiceWords(choice.changes, choice.wanted !== null));
  const sold = new Map(standing.experience.products.flatMap(({ variants }) => variants.map((one) => [one.id, one])));
  const items = choice.variants.map((id) => {
    const { name, price, currency } = sold.get(id);
    const left = say.stockWords(standing.stock.get(id));
    return { key: id, name, price: say.price(price, currency), left, chosen: id === choice.wanted };
  });
  list("choice-list", items, ({ key, name, price, left, chosen }) => {
    const button = element("button", "", { type: "button", "aria-pressed": String(chosen) });
    button.append(element("strong", name), element("span", price), element("span", left));
    button.addEventListener("click", () => void page.choose(key));
    return button;
  });
}

/** The way to the waitlist of the path, for whoever came too late there. */
function showWaitlist(standing, screen) {
  const late = screen.state === "missed" || (screen.state === "lost" && LATE.includes(screen.reason));
  const found = late ? standing.paths.find(({ view, phase }) => view.attached_to === screen.path && phase === "open") : undefined;
  const items = found === undefined ? [] : [{ key: found.id, waits: found.ticket !== null }];
  list("waitlist-way", items, ({ key, waits }) =>
    element("a", waits ? "See your place on the waitlist" : "Go to the waitlist", {
      href: `#${key}`,
      class: "button",
    }),
  );
}

/** The merchant's terms stand beside what joins. @param {{text?: string, url?: string} | undefined} terms */
function showTerms(terms, joins) {
  $("terms").hidden = terms === undefined || !joins;
  if (terms === undefined || $("terms").dataset.terms === JSON.stringify(terms)) return;
  $("terms").dataset.terms = JSON.stringify(terms);
  const link = terms.url ? [" ", element("a", "Terms", { href: terms.url, target: "_blank", rel: "noreferrer" })] : [];
  $("terms").replaceChildren(terms.text ?? "", ...link);
}

/** The tab speaks of the path in focus, unless time runs out elsewhere. */
function showTitle(standing, focused, now) {
  const name = standing.experience?.name;
  const path = standing.urgent ?? standing.focus;
  const screen = standing.urgent?.screen(now) ?? focused;
  const said = say.words(screen, path?.kind.constructor.WORDS);
  const left = screen.expiresAt !== null ? ` ${say.clock(screen.expiresAt - now)}` : "";
  const opens = screen.state === "scheduled" && screen.opensAt !== null;
  const what = opens ? `Opens in ${say.clock(screen.opensAt - now)}` : said.title + left;
  const title = `${what}${name ? ` – ${name}` : ""}`;
  if (document.title !== title) document.title = title;
}

function announce(standing, screen, said, now) {
  const spoken = [`${said.headline.replace(/[.!]$/, "")}.`];
  if (standing.paths.length > 1 && standing.focus !== null) spoken.unshift(`${standing.focus.name}:`);
  if (screen.ahead !== null) spoken.push(`${say.people(screen.ahead)} ahead of you.`);
  if (screen.eta !== null) spoken.push(`${say.wait(screen.eta)}.`);
  if (screen.expiresAt !== null) spoken.push(`${say.spoken(screen.expiresAt - now)} left.`);
  const matter = [standing.focus?.id, said.headline, standing.urgent?.id];
  if (standing.urgent !== null) spoken.push(urgentWords(standing.urgent, now));
  const due = announcer.next(JSON.stringify(matter), spoken.join(" "), performance.now());
  if (due !== null) text("announcer", due);
}

function urgentWords(path, now) {
  return `${path.name}: ${say.words(path.screen(now), path.kind.constructor.WORDS).headline}.`;
}
