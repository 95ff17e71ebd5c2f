"""The Python client: `Client` calls a server's `/api/v1`; `python -m app.client` does the same as a command.

from app.client import Client

with Client("http://127.0.0.1:5000") as client:
    run = client.detect("photo.jpg", threshold=0.6)
    for detection in run.objects:
        print(detection.name, detection.score, detection.box)
    Path("out.jpg").write_bytes(client.image(run.id))
"""

from app.client.client import Client, ConnectionFailed, RunFailed
from app.client.results import Detection, Face, Item, Label, Run
from app.client.webhooks import InvalidSignature, verify
from app.client.wire import ApiError

__all__ = [
    "ApiError",
    "Client",
    "ConnectionFailed",
    "Detection",
    "Face",
    "InvalidSignature",
    "Item",
    "Label",
    "Run",
    "RunFailed",
    "verify",
]
