"""What looks at photos, one module a model family. Each imports torch, so only `app.vision.registry` imports them."""

import warnings

# MMCV 1 announces MMCV 2, at every import.
warnings.filterwarnings("ignore", "On January 1, 2023, MMCV will release", UserWarning)
