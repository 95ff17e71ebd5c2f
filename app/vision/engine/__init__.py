"""The OpenVINO engine, common to all analyses: runtime, memory, engine folders and how they are built."""
