// Copies the page's address, which shows the same view to whoever opens it.

const SAID_MS = 2000;

export function share(button) {
  if (!button) return;
  const words = button.textContent;
  button.addEventListener("click", async () => {
    button.textContent = (await copy(location.href)) ? "Copied" : "Copy it from the address bar";
    setTimeout(() => {
      button.textContent = words;
    }, SAID_MS);
  });
}

/** Without HTTPS browsers offer no clipboard; selecting and copying still works there. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = document.createElement("textarea");
    area.value = text;
    area.className = "unseen";
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
