// Sends a form in the background and reports how much of it has been sent.

// What a proxy in front of the service means by a page of its own, by status.
const AWAY = "The service does not answer right now. Please try again in a moment.";
const FROM_PROXY = {
  413: "A web server in front of this service takes no upload of this size. Send less at once, or ask whoever runs it.",
  502: AWAY,
  503: AWAY,
  504: AWAY,
};

/**
 * @param {string} address
 * @param {FormData} body
 * @param {AbortSignal} [signal]
 * @param {(share: number) => void} [onProgress]
 * @returns {Promise<{location: string, overlay?: string | null}>}  the addresses of the page of what was made, and of a
 *   single photo's overlay, null until there is one; rejects with an Error whose message is for people, or with an
 *   AbortError
 */
export function upload(address, body, signal = undefined, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      const { error = FROM_PROXY[request.status], ...made } = request.response ?? {};
      if (made.location) resolve(made);
      else reject(new Error(error || "The photo could not be sent. Please try again."));
    });
    request.addEventListener("error", () => reject(new Error("The connection was lost. Please try again.")));
    signal?.addEventListener("abort", () => {
      request.abort();
      reject(signal.reason);
    });
    request.send(body);
  });
}
