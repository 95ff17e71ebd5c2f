// What is chosen in the gallery: how much, all, none.

import { byId } from "./dom.js";
import { NBSP } from "./words.js";

/** Shows what can be done with chosen tiles once there are any. */
export function offerChoice(form) {
  const boxes = () => [...form.querySelectorAll(".choose input")];
  const bar = byId("chosen");

  function update() {
    const number = boxes().filter(({ checked }) => checked).length;
    bar.classList.toggle("no-js", number === 0);
    form.classList.toggle("choosing", number > 0);
    byId("chosen-count").textContent = `${number}${NBSP}chosen`;
  }

  function chooseAll(chosen) {
    for (const box of boxes()) box.checked = chosen;
    update();
  }

  form.addEventListener("change", update);
  byId("choose-all").addEventListener("click", () => chooseAll(true));
  byId("choose-none").addEventListener("click", () => chooseAll(false));
  form.addEventListener("keydown", ({ key }) => key === "Escape" && chooseAll(false));
  window.addEventListener("pageshow", update); // On the way back the browser restores what was chosen.
}
