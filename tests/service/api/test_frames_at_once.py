"""/api/v1/telemetry/frames/ of a real server, asked by several clients at once."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from urllib.request import Request, urlopen

from tests.server import DEADLINE_S, Server, running
from tests.service.fleet import MINUTE, NOON, realtime
from tests.service.login import PASSWORD, make_token

CLIENTS = 8
RAW_FRAMES = [realtime(index % 20 + 1, NOON + index // 20 * MINUTE) for index in range(200)]


def post(server: Server, token: str, raw_frames: list[bytes]) -> dict[str, int]:
    request = Request(
        f"http://127.0.0.1:{server.port}/api/v1/telemetry/frames/",
        json.dumps({"frames": [raw.hex() for raw in raw_frames]}).encode(),
        {"Authorization": f"Token {token}", "Content-Type": "application/json"},
    )
    with urlopen(request, timeout=DEADLINE_S) as response:
        answer: dict[str, int] = json.load(response)
        return answer


def test_frames_that_several_clients_send_at_once_are_stored_once(tmp_path: Path) -> None:
    shuffled = [Random(client).sample(RAW_FRAMES, len(RAW_FRAMES)) for client in range(CLIENTS)]
    variables = {"DJANGO_SETTINGS_MODULE": "settings.development", **PASSWORD}
    with running("gunicorn", tmp_path, **variables) as server:
        token = make_token(server)
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(lambda raw_frames: post(server, token, raw_frames), shuffled))
    assert sum(answer["stored"] for answer in answers) == len(RAW_FRAMES)
    assert sum(answer["duplicates"] for answer in answers) == (CLIENTS - 1) * len(RAW_FRAMES)
