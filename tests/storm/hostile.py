"""Every hostile upload that was found, sent to a running service, with the memory that
it costs: python -m tests.storm.hostile

Prints a table: for each upload the status codes, and the peak memory (VmHWM) of the API
and of a training's process. With a name as argument, only the uploads whose names
contain it. Linux only. The files this needs, besides the service, are tests/archives.py,
tests/house and tests/storm, so that earlier versions can be measured with today's
uploads.
"""

import bz2
import io
import random
import re
import shutil
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

from tests.archives import (
    BZIP2,
    STORED,
    Member,
    chunky_png,
    npy,
    picture,
    raw_zip,
    segmented_jpeg,
    zipped,
)
from tests.house.running import Up
from tests.storm.wishes import save_models

MIB = 2**20
TRAINING_MIB = 2048
"""Memory that a training may have, beside what it has once it has started: a quarter of
a machine of 8 GiB, whatever this one has."""
LIMIT_MIB = 300
"""Peak memory of one API process that no client may exceed."""
OWNERS = 8
_LOOK_S = 0.05
_TRAINING = re.compile(r"worker\.engine\.teaching(_start)?")
"""The module of a training's process, now and at commit 3ace8f19."""
_TRAINS_S = 40.0
"""Seconds for which a training that was accepted is watched before it is canceled."""
_TIMEOUT_S = 300.0
_TERMINAL = "succeeded", "failed", "canceled"


@dataclass(frozen=True)
class Request:
    """A form, as httpx sends it."""

    method: str
    path: str
    fields: dict[str, str]
    files: Sequence[tuple[str, bytes]]

    def send(self, url: str, owner: int, at_most_s: float = _TIMEOUT_S) -> Any:
        """Send it as one of OWNERS clients: without keys, an owner is an address."""
        files = [(name, ("file", data)) for name, data in self.files]
        return httpx.request(
            self.method,
            url + self.path,
            data=self.fields,
            files=files,
            headers={"X-Forwarded-For": f"2001:db8:{owner + 1}::1"},
            timeout=at_most_s,
        )


@dataclass(frozen=True)
class Upload:
    """A hostile upload: what it tries, and requests that are sent at once."""

    name: str
    make: Callable[[], Sequence[Request]]
    trains: bool = False
    """A training that is accepted is watched for a while."""


def train(*files: bytes, **fields: str) -> Request:
    name = f"hostile-{random.randrange(10**9)}"
    sent = [("images", file) for file in files]
    return Request("POST", "/train", {"name": name, **fields}, sent)


def score(*images: bytes) -> Request:
    sent = [("image", image) for image in images]
    return Request("POST", "/score", {"model": "tiny-cnn"}, sent)


def complete(image: bytes, mask: bytes, **fields: str) -> Request:
    sent = [("image", image), ("mask", mask)]
    return Request("POST", "/complete", {"model": "tiny-rgb", **fields}, sent)


def put_model(card: bytes, *weights: bytes) -> Request:
    name = f"hostile-{random.randrange(10**9)}"
    sent = [("card", card), *(("weights", each) for each in weights)]
    return Request("PUT", f"/models/{name}", {}, sent)


def hidden_bzip2(mib: int = 512) -> bytes:
    """An .npz with a hidden entry that Python unpacks without a limit."""
    packer = bz2.BZ2Compressor()
    packed = b"".join(packer.compress(bytes(MIB)) for _ in range(mib))
    array = npy(np.zeros((30, 8, 8), np.uint8))
    hidden = Member(
        b".b.npy", method=BZIP2, packed=packed + packer.flush(), size=mib * MIB
    )
    return raw_zip([Member(b"train.npy", array), hidden])


def many_parts(count: int = 1000) -> bytes:
    """Names of 32,760 folders each."""
    stem = b"a/" * 32_760
    members = (
        Member(stem + b"%d" % i, method=STORED, local_name=b"x") for i in range(count)
    )
    return raw_zip([*members])


def long_directory() -> bytes:
    """A directory of 62 MiB: extra fields that nobody needs."""
    extra = struct.pack("<2H", 0x5455, 65_000) + bytes(65_000)
    return raw_zip([Member(b"%d" % i, extra=extra) for i in range(1000)])


def array_of(descr: str, shape: str) -> bytes:
    """Return a .npy whose header claims this type and shape."""
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}"
    text = header.ljust(117).encode() + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(576)


def bitmaps(count: int) -> bytes:
    """One-bit pictures of 2048 x 2048, some hundred bytes each."""
    rng = random.Random(1)
    files = {}
    for i in range(count):
        image = Image.new("1", (2048, 2048))
        image.putpixel((rng.randrange(2048), rng.randrange(2048)), 1)
        file = io.BytesIO()
        image.save(file, "PNG")
        files[f"{i}.png"] = file.getvalue()
    return zipped(files)


def overlapping(count: int = 200) -> bytes:
    """Entries that share their packed bytes."""
    members = [Member(b"a", bytes(MIB))]
    shared = len(members[0].name)
    members += [
        Member(
            b"%d" % i,
            size=MIB,
            packed=b"",
            packed_size=1100,
            offset=0,
            local_name=b"a"[:shared],
        )
        for i in range(count)
    ]
    return raw_zip(members)


def webp_of(size: int) -> bytes:
    """A WebP of 16,383 x 16,383 by its header, and so many bytes."""
    canvas = struct.pack("<BBBB", 0x02, 0, 0, 0) + (16382).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<L", 10) + canvas
    body += b"ANIM" + struct.pack("<LLH", 6, 0, 0)
    body += b"XXXX" + struct.pack("<L", size) + bytes(size)
    return b"RIFF" + struct.pack("<L", len(body)) + body


def large(mode: str, kind: str = "PNG", colour: str = "black") -> bytes:
    return picture(2048, 2048, mode, kind, colour)


def hostile_card(kind: str) -> bytes:
    """A card of almost 1 MiB."""
    members = {
        "numbers": "0," * 500_000 + "0",
        "objects": "{}," * 330_000 + "{}",
        "nested": "[" * 500_000 + "]" * 500_000,
    }[kind]
    sha = "0" * 64
    return f'{{"name":"x","sha256":"{sha}","members":[{members}]}}'.encode()


UPLOADS = [
    Upload("npz with a hidden bzip2 entry", lambda: [train(hidden_bzip2())]),
    Upload(
        "64 zips of 2 kB in one call",
        lambda: [score(*[zipped({"x": bytes(2 * MIB)})] * 64)],
    ),
    Upload(
        "the same, 12 calls at once",
        lambda: [score(*[zipped({"x": bytes(2 * MIB)})] * 64)] * 12,
    ),
    Upload("1,000 names of 32,760 parts", lambda: [train(many_parts())]),
    Upload("the same, twice at once", lambda: [train(many_parts()) for _ in range(2)]),
    Upload(
        "a directory of 62 MiB, twice",
        lambda: [train(long_directory()) for _ in range(2)],
    ),
    Upload(
        "60 bitmaps of 2048 x 2048, crops",
        lambda: [train(bitmaps(60), crops="true", channels="3", minutes="0.1")],
        trains=True,
    ),
    Upload(
        "100 bitmaps of 2048 x 2048, crops",
        lambda: [train(bitmaps(100), crops="true", channels="3", minutes="0.1")],
        trains=True,
    ),
    Upload(
        "npz of 1,000,000 pictures",
        lambda: [train(zipped({"x.npy": npy(np.zeros((10**6, 8, 8), np.uint8))}))],
    ),
    Upload(
        "npz of objects",
        lambda: [train(zipped({"x.npy": array_of("|O", "(9, 8, 8)")}))],
    ),
    Upload(
        "npz that claims 2.5 TB",
        lambda: [train(zipped({"x.npy": array_of("|u1", "(999999999, 50, 50)")}))],
    ),
    Upload(
        "a folder named 00001.png",
        lambda: [
            train(zipped({"1.png": picture(8, 8), "00001.png/2.png": picture(8, 8)}))
        ],
    ),
    Upload("overlapping entries", lambda: [train(overlapping()), score(overlapping())]),
    Upload(
        "64 MiB of zeros as a WebP, twice",
        lambda: [train(zipped({"x": webp_of(63 * MIB)})) for _ in range(2)],
    ),
    Upload(
        "63 MiB of PNG chunks, twice",
        lambda: [train(zipped({"x": chunky_png(63)})) for _ in range(2)],
    ),
    Upload(
        "63 MiB of JPEG segments, twice",
        lambda: [train(zipped({"x": segmented_jpeg(63)})) for _ in range(2)],
    ),
    Upload(
        "8 x picture and mask of 2048 x 2048",
        lambda: (
            [complete(large("RGBA"), large("RGBA", colour="white"), fit="resize")] * 8
        ),
    ),
    Upload(
        "8 x WebP of 2048 x 2048, crop",
        lambda: (
            [complete(large("RGBA", "WEBP"), large("L", "WEBP", "white"), fit="crop")]
            * 8
        ),
    ),
    Upload(
        "64 zips of 2048 x 2048",
        lambda: [score(*[zipped({"x": large("1")})] * 64)] * 4,
    ),
    Upload(
        "card of 500,000 members",
        lambda: [put_model(hostile_card("numbers")) for _ in range(2)],
    ),
    Upload(
        "card of 330,000 objects",
        lambda: [put_model(hostile_card("objects")) for _ in range(2)],
    ),
    Upload(
        "card of nested brackets",
        lambda: [put_model(hostile_card("nested")) for _ in range(2)],
    ),
    Upload(
        "zips as a card and as weights",
        lambda: [
            put_model(zipped({"x": bytes(60 * MIB)}), bytes(60 * MIB)) for _ in range(2)
        ],
    ),
]


@dataclass
class Watch:
    """Peak memory of a service's API, and of its trainings' processes, in MiB."""

    api: int
    up: int
    peak_of_training: float = 0.0
    is_over: bool = False
    seen: set[int] = field(default_factory=set)

    def look(self) -> None:
        """Note the peaks of trainings until it is over. Runs in a thread."""
        while not self.is_over:
            with suppress(psutil.Error):
                for process in psutil.Process(self.up).children(recursive=True):
                    with suppress(psutil.Error, OSError):
                        if any(map(_TRAINING.fullmatch, process.cmdline())):
                            peak = peak_mib(process.pid)
                            self.peak_of_training = max(self.peak_of_training, peak)
            time.sleep(_LOOK_S)


def peak_mib(pid: int) -> float:
    """Return VmHWM of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def forget_peak(pid: int) -> None:
    """Begin VmHWM anew with what the process has now (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


@contextmanager
def service(place: Path, models: Path) -> Iterator[Up]:
    """A running service for which nobody needs a key, and its temporary files in
    place/tmp."""
    (place / "tmp").mkdir(parents=True)
    running = Up(
        place / "data",
        models,
        PIXELRNN_CLIENT_RATE="1000",
        PIXELRNN_TRAINING_MIB=str(TRAINING_MIB),
        TMPDIR=str(place / "tmp"),
        OMP_NUM_THREADS="1",
    )
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.stop()


def send_all(url: str, requests: Sequence[Request], at_once: int) -> list[Any]:
    """Send requests side by side, each as another owner; return the answers, or the
    exceptions of those that got none."""

    def send(number: int) -> Any:
        try:
            return requests[number].send(url, number % OWNERS)
        except httpx.HTTPError as error:
            return error

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(send, range(len(requests))))


def status_of(answer: Any) -> str:
    return (
        str(answer.status_code)
        if isinstance(answer, httpx.Response)
        else type(answer).__name__
    )


def accepted(answers: Sequence[Any]) -> list[str]:
    """Return the ids of the jobs that were accepted."""
    return [
        answer.json()["id"]
        for answer in answers
        if isinstance(answer, httpx.Response) and answer.status_code == 202
    ]


def end_of(url: str, job: str, at_most_s: float) -> str:
    """Wait for a job's end, and cancel it then. Returns its status, with the reason if
    it has failed."""
    status = "canceled at once"
    deadline = time.monotonic() + at_most_s
    while (left := deadline - time.monotonic()) > 0:
        view = httpx.get(f"{url}/jobs/{job}?wait={min(5, int(left))}", timeout=60)
        told = view.json()
        status = told["status"]
        if status in _TERMINAL:
            why = (told.get("error") or {}).get("detail", "")
            return f"{status}: {why}" if why else status
    httpx.post(f"{url}/jobs/{job}/cancel", timeout=60)
    return status


def measured(running: Up, upload: Upload) -> dict[str, Any]:
    """Send an upload; return its status codes, the ends of trainings, and peaks."""
    requests = upload.make()
    api = running.children()["api"]
    watch = Watch(api, running.process.pid)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(watch.look)
        forget_peak(api)
        answers = send_all(running.url, requests, len(requests))
        peak = peak_mib(api)
        jobs = accepted(answers)
        ends = [
            end_of(running.url, job, _TRAINS_S if upload.trains else 0) for job in jobs
        ]
        watch.is_over = True
    return {
        "upload": upload.name,
        "bytes": sum(len(data) for _, data in requests[0].files),
        "answers": Counter(map(status_of, answers)),
        "ends": Counter(ends),
        "api_mib": round(peak),
        "training_mib": round(watch.peak_of_training),
    }


def main() -> None:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = Path(tempfile.mkdtemp(prefix="pixelrnn-hostile-"))
    try:
        save_models(folder / "models")
        with service(folder / "service", folder / "models") as running:
            idle = peak_mib(running.children()["api"])
            print(f"API, idle: {idle:.0f} MiB", flush=True)
            print(f"PIXELRNN_TRAINING_MIB={TRAINING_MIB}", flush=True)
            print("| upload | bytes | answers | API, MiB | training, MiB | its end |")
            print("|---|---|---|---|---|---|", flush=True)
            for upload in UPLOADS:
                if wanted in upload.name:
                    print(_row(measured(running, upload)), flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _row(told: dict[str, Any]) -> str:
    answers = ", ".join(f"{n} x {status}" for status, n in told["answers"].items())
    cells = [
        told["upload"],
        f"{told['bytes']:,}",
        answers,
        str(told["api_mib"]),
        str(told["training_mib"] or ""),
        "; ".join(told["ends"]) if told["training_mib"] else "",
    ]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
