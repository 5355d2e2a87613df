"""What the journal of a generation run says so far: what a resumed attempt need not ask again."""

from __future__ import annotations

from collections import Counter, defaultdict

from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import all_records


class Funnel:
    """What the journal says so far: rows by place with their status, and which requests are finished."""

    def __init__(self, run: RunDir, copies: int) -> None:
        self._copies = copies
        self.status: dict[tuple[str, int], str] = {}
        self.counted: list[tuple[str, str, str]] = []  # (answer, question, topic) of usable rows
        self._questions: list[tuple[str, str, str]] = []
        retry = {(row["request_id"], row["attempt"]) for row in run.read_lines("retry.jsonl")}
        self.tokens_in = self.tokens_out = self.paid = 0
        times: dict[int, tuple[float, float]] = {}
        seen: dict[tuple[str, int], set[int]] = defaultdict(set)
        sizes: dict[tuple[str, int], int] = {}
        for record in all_records(run):
            body = record.body
            if body.get("kind") == "paid":  # calls of programs that an attempt left unfinished
                self._add(body)
            if body.get("kind") != "sample":
                continue
            first, _ = times.get(record.epoch, (body["time"], 0.0))
            times[record.epoch] = first, body["time"]
            self._add(body.get("usage", {}))
            if body["status"] == "failed" and (body["request_id"], record.epoch) in retry:
                continue
            place = body["request_id"], body["n"]
            if place not in self.status and body["status"] == "parsed":
                self.counted.append((body["answer"], body["question"], body["topic"]))
                self._questions.append((body["request_id"], body["question"], body["group"] or body["seed_id"]))
            self.status[place] = body["status"]
            unit = body["request_id"], body["copy"]
            seen[unit].add(body["n"])
            sizes[unit] = body["of"]
        whole = Counter(request for (request, copy), places in seen.items() if len(places) >= sizes[request, copy])
        self.asking_s = sum(last - first for first, last in times.values())
        self.finished = {request for request, count in whole.items() if count >= copies}

    def _add(self, usage: dict[str, int]) -> None:
        self.tokens_in += usage.get("tokens_in", 0)
        self.tokens_out += usage.get("tokens_out", 0)
        self.paid += usage.get("paid", 0)

    def questions(self) -> list[tuple[str, str]]:
        """Questions of finished requests with their group: one that is run again must not meet its own."""
        return [(text, group) for request, text, group in self._questions if request in self.finished]

    def counts(self) -> Counter[str]:
        """Rows by status."""
        return Counter(self.status.values())
