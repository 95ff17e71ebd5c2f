"""What pages, API and classic APIs share: inputs, waiting, errors, security."""
