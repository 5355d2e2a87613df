"""What the journal of a generation run says so far: what a resumed attempt need not ask again."""

from __future__ import annotations

from collections import Counter, defaultdict

from kdcore.errors import DataError
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import all_records
from kdcore.records.journal import PaidRecord, SampleRecord, Usage, read_record


class JournalProgress:
    """Rows by place with their status, and which requests are finished."""

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
        for line in all_records(run):
            try:
                record = read_record(line.body)
            except DataError:
                continue  # ingest sets it aside and says so; its request is asked again
            if isinstance(record, PaidRecord):  # calls of programs that an attempt left unfinished
                self._add(record)
            if not isinstance(record, SampleRecord):
                continue
            first, _ = times.get(line.epoch, (record.time, 0.0))
            times[line.epoch] = first, record.time
            if record.usage is not None:
                self._add(record.usage)
            if record.status == "failed" and (record.request_id, line.epoch) in retry:
                continue
            place = record.request_id, record.n
            if place not in self.status and record.status == "parsed":
                self.counted.append((record.answer, record.question, record.topic))
                self._questions.append((record.request_id, record.question, record.group or record.seed_id))
            self.status[place] = record.status
            unit = record.request_id, record.copy_number
            seen[unit].add(record.n)
            sizes[unit] = record.of
        whole = Counter(request for (request, copy), places in seen.items() if len(places) >= sizes[request, copy])
        self.asking_s = sum(last - first for first, last in times.values())
        self.finished = {request for request, count in whole.items() if count >= copies}

    def _add(self, usage: Usage | PaidRecord) -> None:
        self.tokens_in += usage.tokens_in
        self.tokens_out += usage.tokens_out
        self.paid += usage.paid

    def questions(self) -> list[tuple[str, str]]:
        """Questions of finished requests with their group: one that is run again must not meet its own."""
        return [(text, group) for request, text, group in self._questions if request in self.finished]

    def counts(self) -> Counter[str]:
        """Rows by status."""
        return Counter(self.status.values())
