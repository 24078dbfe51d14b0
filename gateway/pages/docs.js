/**
 * Renders the API description for people: endpoints by tag, what they take, what they answer, every error.
 *
 * Rules: all that is shown comes out of /openapi.json; text is set as text, never as markup; a schema is shown as the
 * shape that it describes, one level deep, and each named schema once, where a link can point to.
 */

const METHODS = ["get", "put", "post", "patch", "delete"];
const NAMED = "#/components/schemas/";

/** An element with attributes and children; a string becomes text. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}

function anchor(text) {
  return text.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
}

/** A schema in a line or as an indented shape: names, types and bounds. @returns {string} */
export function shape(schema, indent = "") {
  if (schema === undefined || schema === true) return "anything";
  if (schema.$ref) return schema.$ref.replace(NAMED, "");
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map((choice) => shape(choice, indent)).join(" | ");
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if (schema.type === "array") return `[${items(schema, indent)}]`;
  if (schema.properties) return object(schema, indent);
  if (schema.type === "object") return `{…: ${shape(schema.additionalProperties || undefined, indent)}}`;
  return [schema.type ?? "anything", ...bounds(schema)].join(" ");
}

function items(schema, indent) {
  return (schema.prefixItems ?? [schema.items]).map((item) => shape(item, indent)).join(", ");
}

function object(schema, indent) {
  const inner = `${indent}  `;
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties).map(([name, field]) => {
    const about = field.description ? `  // ${field.description}` : "";
    return `${inner}${name}${required.has(name) ? "" : "?"}: ${shape(field, inner)}${about}`;
  });
  return fields.length === 0 ? "{}" : `{\n${fields.join("\n")}\n${indent}}`;
}

function bounds(schema) {
  const said = [];
  if (schema.format) said.push(`(${schema.format})`);
  if (schema.pattern) said.push(`/${schema.pattern}/`);
  if (schema.minimum !== undefined) said.push(`≥ ${schema.minimum}`);
  if (schema.maximum !== undefined) said.push(`≤ ${schema.maximum}`);
  if (schema.maxLength !== undefined) said.push(`up to ${schema.maxLength} characters`);
  return said;
}

function content(body) {
  const [[kind, media] = []] = Object.entries(body?.content ?? {});
  return kind === undefined ? null : make("pre", { title: kind }, shape(media.schema));
}

function rows(lines) {
  const row = (cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell)));
  return make("table", {}, make("tbody", {}, ...lines.map(row)));
}

function resolve(description, part) {
  if (!part.$ref) return part;
  return part.$ref.slice(2).split("/").reduce((inside, key) => inside[key], description);
}

function parameters(description, operation) {
  const all = (operation.parameters ?? []).map((one) => resolve(description, one));
  if (all.length === 0) return [];
  const where = (one) => one.in + (one.required ? ", required" : "");
  const line = (one) => [make("code", {}, one.name), where(one), one.description ?? shape(one.schema)];
  return [make("h4", {}, "Parameters"), rows(all.map(line))];
}

function answers(description, operation) {
  const parts = [make("h4", {}, "Answers")];
  for (const [status, given] of Object.entries(operation.responses ?? {})) {
    const answer = resolve(description, given);
    parts.push(rows([[make("code", {}, status), answer.description ?? ""]]));
    const body = content(answer);
    if (body !== null && Number(status) < 400) parts.push(body);
  }
  return parts;
}

function scopesOf(operation) {
  const named = ([name, scopes]) => [name, ...scopes].join(" ");
  return (operation.security ?? []).flatMap((one) => Object.entries(one).map(named));
}

function operationPart(description, method, path, operation) {
  const inside = make("div", { class: "inside" });
  if (operation.description) inside.append(make("p", {}, operation.description));
  inside.append(...parameters(description, operation));
  const taken = content(operation.requestBody);
  if (taken !== null) inside.append(make("h4", {}, "Takes"), taken);
  inside.append(...answers(description, operation));
  const head = make(
    "summary",
    {},
    make("b", { class: "method" }, method.toUpperCase()),
    make("code", {}, path),
    make("span", {}, operation.summary ?? ""),
    ...scopesOf(operation).map((scope) => make("i", { class: "scope" }, scope)),
  );
  return make("article", { id: anchor(`${method} ${path}`) }, make("details", {}, head, inside));
}

function schemaPart([name, schema]) {
  const about = schema.description ? make("p", {}, schema.description) : null;
  const inside = make("div", { class: "inside" }, about, make("pre", {}, shape(schema)));
  const head = make("summary", {}, make("code", {}, name));
  return make("article", { id: anchor(`schema ${name}`) }, make("details", {}, head, inside));
}

function byTag(description) {
  const groups = new Map((description.tags ?? []).map((tag) => [tag.name, []]));
  for (const [path, item] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((one) => item[one])) {
      const tag = item[method].tags?.[0] ?? "other";
      groups.set(tag, [...(groups.get(tag) ?? []), { method, path, operation: item[method] }]);
    }
  }
  return groups;
}

function show(description) {
  const contents = [];
  const parts = [];
  for (const [tag, operations] of byTag(description)) {
    contents.push(make("h2", {}, tag));
    parts.push(make("h2", { id: anchor(tag) }, tag));
    for (const { method, path, operation } of operations) {
      contents.push(make("a", { href: `#${anchor(`${method} ${path}`)}` }, `${method.toUpperCase()} ${path}`));
      parts.push(operationPart(description, method, path, operation));
    }
  }
  const schemas = Object.entries(description.components?.schemas ?? {});
  parts.push(make("h2", { id: "schemas" }, "Schemas"), ...schemas.map(schemaPart));
  contents.push(make("h2", {}, make("a", { href: "#schemas" }, "Schemas")));
  document.getElementById("title").textContent = `${description.info.title} ${description.info.version}`;
  document.getElementById("description").textContent = description.info.description ?? "";
  document.getElementById("contents").replaceChildren(...contents);
  document.getElementById("operations").replaceChildren(...parts);
  document.getElementById("operations").setAttribute("aria-busy", "false");
  openTarget();
}

function filter(words) {
  const wanted = words.toLowerCase();
  for (const part of document.querySelectorAll("article")) {
    part.hidden = !part.textContent.toLowerCase().includes(wanted);
  }
}

function openTarget() {
  const part = document.getElementById(location.hash.slice(1))?.querySelector("details");
  if (part) part.open = true;
}

async function start() {
  document.getElementById("filter").addEventListener("input", (event) => filter(event.target.value));
  addEventListener("hashchange", openTarget);
  const answer = await fetch("/openapi.json");
  if (answer.ok) return show(await answer.json());
  document.getElementById("operations").textContent = `The description could not be loaded (${answer.status}).`;
}

if (typeof document !== "undefined") void start();
