#!/usr/bin/env python3
"""Reads the metrics of a running sealpostd with the parser of Prometheus' Python client, which is strict."""

import argparse
import subprocess
import tempfile
import urllib.request

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sealpostd", required=True, help="path of the server program")
    program = parser.parse_args().sealpostd
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+") as log:
        args = ["--init", "--data", f"{folder}/data", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
        with subprocess.Popen([program, *args], stdout=subprocess.PIPE, stderr=log, text=True) as server:
            try:
                ready = server.stdout.readline()
                log.seek(0)
                lines = log.read()
                assert ready.startswith("ready "), lines
                check(lines.split("metrics and health on ")[1].split()[0])
            finally:
                server.terminate()


def check(address: str) -> None:
    with urllib.request.urlopen(f"{address}/metrics", timeout=10) as answer:
        families = {family.name: family for family in text_string_to_metric_families(answer.read().decode())}
    for name, family in families.items():
        assert family.documentation, f"{name} has no help"
        assert name.startswith(("sealpost_", "process_")), name
        for unit in ("bytes", "seconds"):
            assert (family.unit == unit) == name.endswith(f"_{unit}"), f"{name} and its unit"
    kinds = {families[f"sealpost_{name}"].type for name in ("build", "sessions", "items", "commit_requests")}
    assert kinds == {"info", "gauge", "counter", "histogram"}, kinds
    print(f"metrics: {len(families)} families are read")


if __name__ == "__main__":
    main()
