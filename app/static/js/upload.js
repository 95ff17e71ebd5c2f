// Sends a form in the background and reports how much of it has been sent.

/**
 * @param {string} address
 * @param {FormData} body
 * @param {(share: number) => void} onProgress
 * @returns {Promise<string>}  the address of what was made; rejects with an Error whose message is for people
 */
export function upload(address, body, onProgress = () => {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      const { location, error } = request.response ?? {}; // A proxy answers with a page of its own.
      if (location) resolve(location);
      else reject(new Error(error || "The photo could not be sent. Please try again."));
    });
    request.addEventListener("error", () => reject(new Error("The connection was lost. Please try again.")));
    request.send(body);
  });
}
