// Times in the visitor's own time zone, written as the server's app/web/common/words.py writes them in UTC.

import { NBSP } from "./words.js";

const MONTH = new Intl.DateTimeFormat("en-US", { month: "short" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });

/** `28 Nov`, with the year where it is not this one. */
export function day(date, now = new Date()) {
  const year = date.getFullYear();
  return `${date.getDate()}${NBSP}${MONTH.format(date)}${year === now.getFullYear() ? "" : NBSP + year}`;
}

/** Rewrites the times of a page: clock times in tiles, days in the lines under headings. */
export function localise(root) {
  for (const time of root.querySelectorAll(".tile time")) time.textContent = CLOCK.format(new Date(time.dateTime));
  for (const time of root.querySelectorAll(".meta time")) time.textContent = day(new Date(time.dateTime));
}

/** Sends with each day of a form how many minutes the visitor's clock is ahead of UTC where that day begins or ends. */
export function localDays(form) {
  form.addEventListener("formdata", ({ formData }) => {
    for (const name of ["from", "to"]) {
      if (!formData.get(name)) continue;
      const midnight = new Date(`${formData.get(name)}T00:00`);
      if (name === "to") midnight.setDate(midnight.getDate() + 1); // The last day ends where the next one begins.
      formData.set(`${name}_offset`, String(-Math.round(midnight.getTimezoneOffset())));
    }
  });
}
