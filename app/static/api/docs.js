// The API's page: samples to copy, and operations to try.

import { byId, html } from "../js/dom.js";
import { offerSamples } from "../js/share.js";

const MAX_SHOWN = 20_000;

offerSamples(document);
addEventListener("hashchange", openTarget);
openTarget();
document.addEventListener("submit", (event) => {
  const form = event.target.closest(".try");
  if (!form) return;
  event.preventDefault();
  send(form);
});

/** Opens the operation or the type that the address names. */
function openTarget() {
  const target = byId(location.hash.slice(1));
  if (!(target instanceof HTMLDetailsElement)) return;
  target.open = true;
  target.scrollIntoView();
}

async function send(form) {
  const output = form.querySelector("output");
  const began = performance.now();
  output.replaceChildren("Sending…");
  try {
    const answer = await fetch(address(form), {
      method: form.dataset.method,
      headers: headers(form),
      body: body(form),
    });
    const shown = await read(answer);
    output.replaceChildren(`${answer.status} ${answer.statusText}, ${Math.round(performance.now() - began)} ms`, shown);
  } catch {
    output.replaceChildren("No answer came.");
  }
}

/** The fields of a place (path, query, header, form or json) that are filled in. */
const fields = (form, place) =>
  [...form.elements].filter((field) => field.dataset.place === place && field.value !== "");

function address(form) {
  let path = form.dataset.path;
  for (const field of fields(form, "path")) path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
  const query = new URLSearchParams(fields(form, "query").map((field) => [field.name, field.value]));
  return query.size ? `${path}?${query}` : path;
}

function headers(form) {
  const all = new Headers(fields(form, "header").map((field) => [field.name, field.value]));
  const key = byId("key").value;
  if (key) all.set("Authorization", `Bearer ${key}`);
  if (fields(form, "json").length) all.set("Content-Type", "application/json");
  return all;
}

function body(form) {
  const [json] = fields(form, "json");
  if (json) return json.value;
  const [file] = fields(form, "form");
  if (!file) return undefined;
  const data = new FormData();
  for (const each of file.files) data.append(file.name, each);
  return data;
}

/** An answer to look at: a picture, text, or JSON in lines. */
async function read(answer) {
  const type = answer.headers.get("Content-Type") ?? "";
  if (type.startsWith("image/"))
    return html("img", { src: URL.createObjectURL(await answer.blob()), alt: "The answer" });
  let text = await answer.text();
  if (type.includes("json")) text = JSON.stringify(JSON.parse(text), null, 2);
  if (text.length > MAX_SHOWN) text = `${text.slice(0, MAX_SHOWN)}\n…`;
  return html("pre", {}, html("code", {}, text));
}
