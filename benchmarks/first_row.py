"""Time to the first and the last row of a job, as a client sees them over HTTP.

    pixelrnn up &
    python benchmarks/first_row.py --model mnist-diagonal-bilstm --n 1 16 --rounds 10

Clocks start when the POST is sent; rows are read from GET /jobs/{id}/events. Medians of the rounds, in milliseconds.
"""

import argparse
import json
import statistics
import time

import httpx


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--model", default="mnist-diagonal-bilstm")
    parser.add_argument("--n", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    with httpx.Client(base_url=arguments.url, timeout=60) as client:
        for n in arguments.n:
            times = [follow(client, arguments.model, n, seed) for seed in range(arguments.rounds + 1)][1:]
            first, last = (round(1000 * statistics.median(column), 1) for column in zip(*times, strict=True))
            print(json.dumps({"model": arguments.model, "n": n, "first_row_ms": first, "last_row_ms": last}))


def follow(client: httpx.Client, model: str, n: int, seed: int) -> tuple[float, float]:
    """Seconds until the first and the last row of one job arrived."""
    start = time.perf_counter()
    job = client.post("/sample", json={"model": model, "n": n, "seed": seed}).raise_for_status().json()
    with client.stream("GET", job["links"]["events"]) as stream:
        rows = [time.perf_counter() - start for line in stream.iter_lines() if line == "event: row"]
    assert len(rows) == job["rows_total"], f"{len(rows)} rows of {job['rows_total']} arrived"
    return rows[0], rows[-1]


if __name__ == "__main__":
    main()
