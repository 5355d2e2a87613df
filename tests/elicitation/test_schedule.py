"""Programs on one engine: kept replies, repetitions, few at once, and a run that is told to stop."""

from kdcore.configs.teacher import SamplingConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.schedule import Scheduler, Unit
from kdcore.types import Reply, Request


def request() -> Request:
    messages = [{"role": "user", "content": "What does the kidney do?"}]
    return Request("rq", "sd", "pv", messages, {"question": "What does the kidney do?"})


class Kept(dict):
    def get(self, key):
        return super().get(key)

    def put(self, key, replies):
        self[key] = replies


def schedule(name, requests, memory, n=1, temperature=0.7, config=None, most=1000):
    done, paid = [], []
    units = iter([Unit(r) for r in requests])
    sampling = SamplingConfig(n=n, temperature=temperature)
    scheduler = Scheduler(
        units, METHODS[name], config or {}, sampling, done.append, memory=memory, may_start=lambda a: a < most
    )
    for call in scheduler.calls():
        if call is not None:
            paid.append(call)
            for k in range(call.sampling.n):
                scheduler.take(Reply(call.call_id, k, f"Reply {len(paid)}.{k} with some words", "stop", 3, 5))
    return done, paid


def test_no_call_is_paid_twice_but_a_repetition_is_another_call():
    kept = Kept()
    first, paid = schedule("evol_instruct", [request()], kept, config={"rounds": 2})
    again, free = schedule("evol_instruct", [request()], kept, config={"rounds": 2})
    assert len(paid) == 4 and not free
    assert [r.answer for r in again[0].rows] == [r.answer for r in first[0].rows]
    assert (again[0].paid, first[0].paid) == (0, 4)
    repeated = Request("rq9", "sd", "pv", request().messages, request().variables, repeat=1)
    assert len(schedule("evol_instruct", [repeated], kept, config={"rounds": 2})[1]) == 4
    assert not schedule("direct", [repeated], _greedy(kept), temperature=0.0)[1]


def _greedy(kept: Kept) -> Kept:
    """At temperature 0 a repetition has the same answer, so it is the same call."""
    assert len(schedule("direct", [request()], kept, temperature=0.0)[1]) == 1
    return kept


def test_few_programs_are_under_way_at_once():
    requests = [Request(f"r{i}", f"s{i}", "pv", request().messages, request().variables) for i in range(50)]
    done, paid = schedule("direct", requests, None, most=3)
    assert len(done) == len(paid) == 50


def test_the_same_question_twice_in_one_step_gets_two_answers():
    kept = Kept()
    done, paid = schedule("contrastive_pair", [request()], kept, config={"positive": "x", "negative": "x"})
    assert len(paid) == len(kept) == 2
    assert len({reply.text for _, replies in done[0].calls for reply in replies}) == 2


def test_a_stopped_run_takes_back_what_is_out_and_asks_no_more():
    kept, done, out, handed = Kept(), [], [], 0
    units = iter([Unit(Request(f"r{i}", f"s{i}", "pv", request().messages, request().variables)) for i in range(9)])
    scheduler = Scheduler(
        units,
        METHODS["evol_instruct"],
        {},
        SamplingConfig(),
        done.append,
        memory=kept,
        stopped=lambda: len(kept) >= 4,
    )
    for call in scheduler.calls():
        if call is not None:
            out.append(call)
            handed += 1
        elif out:
            scheduler.take(Reply(out.pop(0).call_id, 0, f"Why is {len(kept)} of them so?", "stop", 3, 5))
    assert not out
    assert len(kept) == handed == 12  # nine first questions, and three more before the stop
    assert scheduler.active == 9 and not done


def test_a_question_that_failed_is_not_answered_by_its_own_kept_reply():
    """A growth that failed is grown again from the same question: that is another call."""
    asked = []

    def copied(call):
        asked.append(call)
        return [Reply(call.call_id, 0, "given question", "stop")]

    kept = Kept()
    scheduler = Scheduler(
        iter([Unit(request())]),
        METHODS["evol_instruct"],
        {"rounds": 4, "operators": ["deepen"]},
        SamplingConfig(),
        lambda _: None,
        memory=kept,
    )
    for call in scheduler.calls():
        for reply in copied(call) if call is not None else []:
            scheduler.take(reply)
    assert len(asked) == len(kept) == 4
