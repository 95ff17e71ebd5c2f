"""`/api/v1`: the documented REST API."""
