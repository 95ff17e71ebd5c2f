"""The OpenVINO engine: runtime, memory, engine folders and their making, without any one analysis."""
