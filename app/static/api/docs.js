// The API's operations, drawn by Swagger UI from our own server: no other host is asked for anything.

const place = document.querySelector("#swagger");
const dark = matchMedia("(prefers-color-scheme: dark)");
const shade = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
shade();
dark.addEventListener("change", shade);

function show() {
  window.SwaggerUIBundle({
    url: place.dataset.openapi,
    domNode: place,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    defaultModelRendering: "model",
    defaultModelExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
    syntaxHighlight: { activated: false },
    presets: [window.SwaggerUIBundle.presets.apis],
  });
}

if (window.SwaggerUIBundle) show();
else addEventListener("load", show);
