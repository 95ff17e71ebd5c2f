// The API's operations, shown by Swagger UI. Everything comes from our own server.

import { offerSamples } from "../js/share.js";

const container = document.querySelector("#swagger");
const dark = matchMedia("(prefers-color-scheme: dark)");
const applyScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
applyScheme();
dark.addEventListener("change", applyScheme);

offerSamples(document);

/** Swagger UI draws a padlock wherever a key may be sent; most people need none, so none is drawn. */
const WITHOUT_PADLOCKS = { wrapComponents: { authorizeOperationBtn: () => () => null } };

function show() {
  window.SwaggerUIBundle({
    url: container.dataset.openapi,
    domNode: container,
    deepLinking: true,
    docExpansion: "list",
    defaultModelsExpandDepth: 0,
    defaultModelRendering: "example",
    defaultModelExpandDepth: 0,
    displayRequestDuration: true,
    validatorUrl: null,
    syntaxHighlight: { activated: false },
    plugins: container.dataset.keys ? [] : [WITHOUT_PADLOCKS],
    presets: [window.SwaggerUIBundle.presets.apis],
  });
}

if (window.SwaggerUIBundle) show();
else addEventListener("load", show);
