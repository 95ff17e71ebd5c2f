"""Registers EfficientNet-Lite for configs that training wrote before it moved: they import it under this name."""

from app.vision.analyses.objects.backbones.efficientnet_lite import EfficientNetLite

__all__ = ["EfficientNetLite"]
