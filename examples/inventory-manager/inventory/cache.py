"""A cache in Redis that the application can do without."""

import json
import logging

from redis.exceptions import RedisError

log = logging.getLogger(__name__)

_GENERATION = "inventory:generation"


class Cache:
    """Keeps answers until the next change of any item, or until they are too old.

    Every key holds a generation number. A change counts it up, which leaves all
    older answers behind at once; they expire by themselves.
    """

    def __init__(self, client, seconds, count):
        self._client = client
        self._seconds = seconds
        self._count = count

    def get_or_make(self, name, make):
        """Return the kept answer, or make and keep a new one."""
        try:
            generation = self._client.get(_GENERATION) or b"0"
            key = f"inventory:{int(generation)}:{name}"
            kept = self._client.get(key)
        except RedisError as problem:
            return self._without_cache(problem, make)
        if kept is not None:
            self._count("hit")
            return json.loads(kept)
        self._count("miss")
        answer = make()
        if answer is not None:
            self._keep(key, answer)
        return answer

    def invalidate(self):
        """Forget all answers, because an item changed."""
        try:
            self._client.incr(_GENERATION)
        except RedisError as problem:
            log.warning("cache not invalidated: %s", problem)

    def ping(self):
        """Raise RedisError where Redis does not answer."""
        self._client.ping()

    def _keep(self, key, answer):
        try:
            self._client.set(key, json.dumps(answer), ex=self._seconds)
        except RedisError as problem:
            log.warning("answer not cached: %s", problem)

    def _without_cache(self, problem, make):
        self._count("error")
        log.warning("cache not used: %s", problem)
        return make()
