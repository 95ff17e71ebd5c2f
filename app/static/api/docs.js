// The API's operations, shown by Swagger UI. Everything comes from our own server.

const container = document.querySelector("#swagger");
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
applyScheme();
dark.addEventListener("change", applyScheme);

function show() {
  window.SwaggerUIBundle({
    url: container.dataset.openapi,
    domNode: container,
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
