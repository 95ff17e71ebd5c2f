"""The place of the backbones before they moved into the folder of their analysis."""
