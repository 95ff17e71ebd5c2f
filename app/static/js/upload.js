// Sends a form in the background and tells how far it is.

/** Resolves to the address of what was made; rejects with an Error whose message is a sentence for people. */
export function upload(address, body, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      if (event.lengthComputable) onProgress(event.loaded / event.total);
    });
    request.addEventListener("load", () => {
      const answer = request.response || {};
      if (answer.location) resolve(answer.location);
      else reject(new Error(answer.error || "The photo could not be sent. Please try again."));
    });
    request.addEventListener("error", () => reject(new Error("The connection was lost. Please try again.")));
    request.send(body);
  });
}
