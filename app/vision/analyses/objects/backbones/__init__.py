"""Backbones that MMDetection does not have, registered with it when their module is imported."""
