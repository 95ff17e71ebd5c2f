"""Idempotency-Key: a repeated request makes no second run."""

import io
from contextlib import ExitStack, suppress
from typing import Any

import pytest
from werkzeug.test import TestResponse

from app.queue.submit import submit
from app.store.models import Run
from app.web.api import create
from app.web.api.idempotency import CLAIMED, KEPT, KeyInUse, claim, fingerprint
from tests.unit.api_service import PHOTO, Service, json_of
from tests.unit.photos import jpeg


def test_the_same_key_and_request_give_the_same_run(service: Service) -> None:
    first, second = (service.post(PHOTO, Idempotency_Key="k1") for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 202)
    assert json_of(first)["id"] == json_of(second)["id"]
    assert len(json_of(service.client.get("/api/v1/runs"))["runs"]) == 1


def test_other_keys_and_no_keys_make_other_runs(service: Service) -> None:
    answers = [service.post(PHOTO, Idempotency_Key=key) for key in ("k1", "k2")] + [service.post(PHOTO)]
    assert len({json_of(answer)["id"] for answer in answers}) == 3


@pytest.mark.parametrize("other", ["photo", "options"])
def test_the_same_key_with_another_request_is_422(service: Service, other: str) -> None:
    service.post(PHOTO, Idempotency_Key="k1")
    photo, query = (jpeg(50, 40), "") if other == "photo" else (PHOTO, "?threshold=0.9")
    answer = service.post(photo, query, Idempotency_Key="k1")
    assert (answer.status_code, json_of(answer)["code"]) == (422, "idempotency-key-reused")


def test_the_repeated_answer_tells_how_far_the_run_is_now(service: Service) -> None:
    service.post(PHOTO, Idempotency_Key="k1")
    service.answer()
    answer = service.post(PHOTO, Idempotency_Key="k1")
    assert (answer.status_code, json_of(answer)["state"]) == (200, "done")


def test_keys_of_different_callers_do_not_meet(service: Service) -> None:
    mine = json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"]
    secret = service.services.store.keys.create("another")[1]
    theirs = service.post(PHOTO, Idempotency_Key="k1", Authorization=f"Bearer {secret}")
    assert json_of(theirs)["id"] != mine


def test_a_caller_without_a_key_is_known_by_the_address(service: Service) -> None:
    ids = set()
    for _ in range(2):
        service.client = service.app.test_client()
        ids.add(json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"])
    assert len(ids) == 1


def test_visitors_behind_one_address_do_not_meet(service: Service) -> None:
    ids = set()
    for _ in range(2):
        service.client = service.app.test_client()
        service.client.get("/runs")
        service.post(jpeg(50, 40))  # Makes it a visitor.
        ids.add(json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"])
    assert len(ids) == 2


def test_a_first_request_may_be_repeated_with_the_cookie_that_it_was_given_and_without(service: Service) -> None:
    first = json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"]
    assert json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"] == first
    service.client = service.app.test_client()
    assert json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"] == first


def test_a_refused_request_leaves_its_key_free(service: Service) -> None:
    assert service.post(b"not a photo", Idempotency_Key="k1").status_code == 415
    assert service.post(PHOTO, Idempotency_Key="k1").status_code == 202


def test_a_deleted_run_is_created_again(service: Service) -> None:
    first = json_of(service.post(PHOTO, Idempotency_Key="k1"))["id"]
    service.client.delete(f"/api/v1/runs/{first}")
    second = service.post(PHOTO, Idempotency_Key="k1")
    assert second.status_code == 202
    assert json_of(second)["id"] != first


def test_a_request_that_is_not_over_yet_keeps_its_key_for_itself(service: Service) -> None:
    request_print = fingerprint("request")
    with (
        claim(service.redis, "v:me", "k1", request_print),
        pytest.raises(KeyInUse),
        claim(service.redis, "v:me", "k1", request_print),
    ):
        pass


def test_a_claim_ends_by_itself_and_an_answer_is_kept_for_a_day(service: Service) -> None:
    with claim(service.redis, "v:me", "k1", "print") as known:
        (name,) = service.redis.keys("idempotency:*")  # type: ignore[misc]
        assert 0 < service.redis.ttl(name) <= CLAIMED  # type: ignore[operator]
        known.keep("run x", "v:me")
    assert CLAIMED < service.redis.ttl(name) <= KEPT  # type: ignore[operator]


def test_a_claim_is_renewed_before_every_photo_of_a_batch(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    redis, left = service.redis, []

    def slow(*arguments: Any, **options: Any) -> Run:
        (name,) = redis.keys("idempotency:*")  # type: ignore[misc]
        left.append(redis.ttl(name))
        redis.expire(name, 5)
        return submit(*arguments, **options)

    monkeypatch.setattr(create, "submit", slow)
    assert batch(service).status_code == 202
    assert min(left) > 5  # type: ignore[type-var]
    assert len(left) == 2


def test_a_claim_that_ran_out_during_a_batch_is_taken_again_with_the_next_photo(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: Any, **options: Any) -> Run:
        service.redis.flushall()
        service.services.jobs.announce([found.card for found in service.found.values()], {})
        return submit(*arguments, **options)

    monkeypatch.setattr(create, "submit", slow)
    assert json_of(batch(service)) == json_of(batch(service))


@pytest.mark.parametrize("first_ends", ["with an answer", "with an error"])
def test_a_request_that_lost_its_claim_leaves_that_of_another_alone(service: Service, first_ends: str) -> None:
    with ExitStack() as second:
        with suppress(ZeroDivisionError), claim(service.redis, "v:me", "k1", "print") as first:
            (name,) = service.redis.keys("idempotency:*")  # type: ignore[misc]
            service.redis.delete(name)  # as when its time is over
            other = second.enter_context(claim(service.redis, "v:me", "k1", "print"))
            first.renew()
            if first_ends == "with an error":
                raise ZeroDivisionError
            first.keep("run first", "v:me")
        with pytest.raises(KeyInUse), claim(service.redis, "v:me", "k1", "print"):
            pass
        other.keep("run other", "v:me")
    with claim(service.redis, "v:me", "k1", "print") as third:
        assert third.created == "run other"


def test_what_was_made_anew_takes_the_place_of_what_is_gone(service: Service) -> None:
    for made in ("run first", "run second"):
        with claim(service.redis, "v:me", "k1", "print") as known:
            known.renew()
            known.keep(made, "v:me")
    with claim(service.redis, "v:me", "k1", "print") as known:
        assert known.created == "run second"


def batch(service: Service) -> TestResponse:
    form = {"file": [(io.BytesIO(PHOTO), "a.jpg"), (io.BytesIO(jpeg(50, 40)), "b.jpg")]}
    return service.client.post("/api/v1/runs", data=form, headers={"Idempotency-Key": "k1"})


def test_a_repeated_batch_is_the_same_batch(service: Service) -> None:
    assert json_of(batch(service)) == json_of(batch(service))


def test_strangers_behind_one_address_do_not_get_each_others_runs(service: Service) -> None:
    answers = []
    for photo in (PHOTO, jpeg(50, 40)):
        service.client = service.app.test_client()
        answers.append(service.post(photo, Idempotency_Key="1"))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert json_of(answers[0])["id"] != json_of(answers[1])["id"]
