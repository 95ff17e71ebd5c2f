"""The messages between a worker process and its supervisor."""

import io
import json

import pytest

from app.vision.results import ModelCard
from app.worker.messages import AnalysisEnded, AnalysisStarted, Message, ModelsLoaded, from_line, to_line
from app.worker.worker_process import WorkerProcess
from tests.unit.test_supervisor import FakeProcess

CARD = ModelCard("labels", "odd", "Odd", "1", "0" * 64, note="A note.")


@pytest.mark.parametrize(
    "message", [ModelsLoaded((CARD,), {"faces": "Install the faces."}), AnalysisStarted("abc"), AnalysisEnded()]
)
def test_a_message_is_one_line_and_comes_back_equal(message: Message) -> None:
    line = to_line(message)
    assert line.count("\n") == 1
    assert from_line(line) == message


@pytest.mark.parametrize("line", ["{}", "[]", '{"type": "Other"}', '{"type": "AnalysisStarted"}', "words"])
def test_a_malformed_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_line(line)


def test_a_process_is_followed_through_its_lines() -> None:
    worker = WorkerProcess(FakeProcess())
    lines = "".join(
        map(to_line, [ModelsLoaded((CARD,), {}), AnalysisStarted("a"), AnalysisEnded(), AnalysisStarted("b")])
    )
    worker.read_messages(io.StringIO(lines))
    assert worker.ready
    assert worker.offer == ModelsLoaded((CARD,), {})
    assert worker.analysis == "b"
    assert json.loads(lines.splitlines()[1]) == {"type": "AnalysisStarted", "analysis_id": "a"}
