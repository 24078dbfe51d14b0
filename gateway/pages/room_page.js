/**
 * The document of the waiting room: small ways to write into it, only where something changed. `Page` of `kinds/kind.js`
 * is this and what `room.js` adds.
 */

/** @param {string} id @returns {HTMLElement} */
export function $(id) {
  return document.getElementById(id);
}

/** @param {string} id @param {string} value */
export function text(id, value) {
  if ($(id).textContent !== value) $(id).textContent = value;
}

/** A large figure, as large as its length allows. @param {string} id @param {string} value */
export function figure(id, value) {
  text(id, value);
  $(id).style.setProperty("--digits", String(Math.max(3, value.length)));
}

/**
 * The children of an element, one an item in their order. A child whose item is as before stays as it is. An element
 * without any is not seen (`room.css`).
 * @param {string} id @param {{key: string}[]} items @param {(item: object) => HTMLElement} make
 */
export function list(id, items, make) {
  const parent = $(id);
  const before = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, at) => {
    const child = kept(before.get(item.key), item) ?? made(before.get(item.key), item, make);
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null);
  });
  while (parent.children.length > items.length) parent.lastElementChild.remove();
}

function kept(child, item) {
  return child?.dataset.item === JSON.stringify(item) ? child : null;
}

/** A new child in the place of an old one, with its focus. */
function made(old, item, make) {
  const child = make(item);
  const focused = old?.contains(document.activeElement);
  child.dataset.key = item.key;
  child.dataset.item = JSON.stringify(item);
  old?.replaceWith(child);
  if (focused) child.focus();
  return child;
}

/** Terms and what they are, in a `dl`. @param {string} id @param {{key: string, value: string}[]} items */
export function facts(id, items) {
  list(id, items, ({ key, value }) => {
    const fact = element("div", "");
    fact.append(element("dt", key), element("dd", value));
    return fact;
  });
}

/** @param {string} tag @param {string} words @param {Record<string, string>} [attributes] @returns {HTMLElement} */
export function element(tag, words, attributes = {}) {
  const made = document.createElement(tag);
  made.textContent = words;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

/** Whether the device asks for stillness. */
export function calm() {
  return matchMedia("(prefers-reduced-motion: reduce)").matches;
}
