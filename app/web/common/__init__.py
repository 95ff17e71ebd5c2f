"""What the pages, the API and the classic APIs share: inputs, uploads, waiting, errors, security."""
