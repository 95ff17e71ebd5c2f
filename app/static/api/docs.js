// The API's operations, drawn by Swagger UI from our own server: no other host is asked for anything.

const place = document.querySelector("#swagger");

function show() {
  window.SwaggerUIBundle({
    url: place.dataset.openapi,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
    syntaxHighlight: { activated: false },
    presets: [window.SwaggerUIBundle.presets.apis],
  });
}

if (window.SwaggerUIBundle) show();
else addEventListener("load", show);
