// What every page does: local times, the service's status, menus that close when something else is used, and photos
// that may be dropped anywhere.

import { keepStatus } from "./status.js";
import { localDays, localise } from "./times.js";

if (!document.querySelector("form[data-takes-photos]")) import("./anywhere.js");
keepStatus(document.querySelector(".status"));
localise(document);
const here = document.querySelector(".nav [aria-current]");
// A narrow screen shows a part of the navigation.
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft;
for (const form of document.querySelectorAll("form.filter")) localDays(form);

document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
  }
});

// On the way back or forth between pages that were opened in place (js/open.js), each is loaded again.
window.addEventListener("popstate", ({ state }) => state?.page && location.reload());

// Arrow keys lead to the photos beside this one, unless something else uses them.
document.addEventListener("keydown", (event) => {
  const rel = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
  const modified = event.ctrlKey || event.metaKey || event.altKey || event.shiftKey;
  if (!rel || modified || event.defaultPrevented) return;
  if (event.target.closest("input, select, textarea, dialog, [role], svg, pre, [data-menu]")) return;
  document.querySelector(`.place a[rel=${rel}]`)?.click();
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && document.querySelector("[data-menu][open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
