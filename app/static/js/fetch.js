// Requests whose failure is no error: null stands for an answer that did not come.

export const CONNECTION_LOST = "The connection is lost. Trying again";

/** The JSON at an address. */
export const fetchJson = (address) => request(address, "application/json", (response) => response.json());

/** The HTML page at an address, parsed. */
export const fetchPage = (address) =>
  request(address, "text/html", async (response) =>
    new DOMParser().parseFromString(await response.text(), "text/html"),
  );

async function request(address, accept, read) {
  try {
    const response = await fetch(address, { headers: { Accept: accept } });
    // Deleted meanwhile: the page itself says so.
    if (response.status === 404) location.reload();
    return response.ok ? await read(response) : null;
  } catch {
    return null;
  }
}
