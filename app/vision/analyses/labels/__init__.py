"""Labels of the whole photo: ImageNet classifiers."""
