"""Counts in Redis, of requests, costs and wrong keys."""

from limits.storage import RedisStorage


class RedisCounts(RedisStorage):
    """RedisStorage with one client library: by itself it loads each that it could use."""

    # The base class declares a variable of instances, and reads it as one of classes.
    DEPENDENCIES = {"redis": RedisStorage.DEPENDENCIES["redis"]}  # noqa: RUF012
