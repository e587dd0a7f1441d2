"""Report pages beside a board are read by strangers: no server and no folder of ours is on them."""

from __future__ import annotations

import json
from pathlib import Path

from vlmbench.cli.leaderboard.reports import page_name
from vlmbench.cli.main import main

ERRORS = (
    "HTTP 500 from http://10.9.8.7:8000/v1 while reading /secret/home/model.bin",
    "ConnectError: gpu-7.cluster.internal:8000 refused; see file:///secret/logs/x",
    "Connect call failed ('10.9.8.7', 8000), HTTPConnectionPool(host='gpu-7', port=8000)",
    "no route to [fe80::1]:8000 nor to localhost:8000",
)


def failed_run(folder: Path) -> Path:
    """A run of echo whose first answers are these errors."""
    out = folder / "runs" / "echo"
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "4", "--out", str(out)])
    lines = [json.loads(line) for line in (out / "responses.jsonl").read_text().splitlines()]
    for line, error in zip(lines, ERRORS, strict=False):
        line.update(text="", finish="error", error=error)
    (out / "responses.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    failed = {line["id"]: line["error"] for line in lines if line["error"]}
    scores = [json.loads(line) for line in (out / "scores.jsonl").read_text().splitlines()]
    for score in scores:
        if score["id"] in failed:
            score.update(extracted=None, value=None, reason=failed[score["id"]])
    (out / "scores.jsonl").write_text("".join(json.dumps(score) + "\n" for score in scores))
    results = json.loads((out / "results.json").read_text())
    results["errors"], results["complete"] = len(failed), False
    results["rows"]["answered"] -= len(failed)
    (out / "results.json").write_text(json.dumps(results))
    return out


def test_errors_on_published_pages_name_no_server_and_no_folder(tmp_path: Path) -> None:
    run, out = failed_run(tmp_path), tmp_path / "site"
    arguments = ["leaderboard", "build", "--runs", str(tmp_path / "runs"), "--out", str(out)]
    assert main([*arguments, "--reports"]) == 0
    (page,) = (out / "reports").iterdir()
    text = page.read_text("utf-8")
    assert "HTTP 500 from \\u003cserver\\u003e while reading model.bin" in text
    for secret in ("10.9.8.7", "secret", "gpu-7", "internal", "fe80", "localhost", str(tmp_path)):
        assert secret not in text
    assert main(["report", str(run)]) == 0  # one's own page says all of it
    assert "http://10.9.8.7:8000/v1" in (run / "report.html").read_text("utf-8")


def test_a_build_without_reports_removes_those_of_earlier_builds(tmp_path: Path) -> None:
    failed_run(tmp_path)
    pages = tmp_path / "site" / "reports"
    pages.mkdir(parents=True)
    for name in (page_name("a/run of before"), "written by hand.html"):
        (pages / name).write_text("a page")
    main(["leaderboard", "build", "--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "site")])
    assert [page.name for page in pages.iterdir()] == ["written by hand.html"]
