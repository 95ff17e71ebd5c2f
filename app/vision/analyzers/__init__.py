"""What looks at photos, one module a model family. Each imports torch, so only `app.vision.registry` imports them."""
