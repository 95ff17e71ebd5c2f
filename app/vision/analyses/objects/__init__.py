"""Objects: Mask R-CNN and the other detectors of MMDetection."""
