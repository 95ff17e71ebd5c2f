"""Faces with five landmarks: MTCNN."""
