// The style sheets of another page whose contents come into this one.

const NOT_YET = "not all"; // The media for which a sheet has no effect; it is loaded all the same.

/**
 * Loads the style sheets of a page that this one lacks.
 * @param {Document} page
 * @returns {Promise<{add: () => void, replace: () => void}>}  give them their effect: beside those of this page, or in
 *   their place
 */
export async function loadStyles(page) {
  const present = new Map([...sheets(document)].map((link) => [link.href, link]));
  const wanted = [...sheets(page)].map((link) => present.get(link.href) ?? waiting(link));
  document.head.append(...wanted.filter((link) => !present.has(link.href)));
  await Promise.all(wanted.filter(({ sheet }) => !sheet).map(loaded));
  const add = () => {
    for (const link of wanted) link.media = "all";
  };
  const replace = () => {
    add();
    for (const link of sheets(document)) if (!wanted.includes(link)) link.remove();
  };
  return { add, replace };
}

const waiting = (link) => Object.assign(link, { media: NOT_YET });
const sheets = (page) => page.querySelectorAll("head > link[rel=stylesheet]");

const loaded = (link) =>
  new Promise((resolve) => {
    for (const end of ["load", "error"]) link.addEventListener(end, resolve, { once: true });
  });
