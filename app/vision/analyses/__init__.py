"""One folder per analysis: its result, what runs it on OpenVINO and on PyTorch, its export and its models."""
