"""A budget holds under any window: what is under way counts at what units have cost, free ones not at all."""

from kdcore.configs.elicitation import BudgetConfig
from kdcore.configs.teacher import TeacherConfig
from kdcore.workers.generate.budget import Budget

GUESS = (50.0, 200.0)


def test_units_under_way_count_at_the_mean_of_the_paid_ones():
    budget = Budget(BudgetConfig(tokens=600), TeacherConfig())
    assert budget.bears(0, GUESS), "one alone always may start"
    assert budget.bears(1, GUESS) and not budget.bears(2, GUESS)
    for _ in range(4):
        budget.tokens_in, budget.tokens_out = budget.tokens_in + 10, budget.tokens_out + 20
        budget.paid_unit(10, 20)
    assert budget.bears(15, GUESS) and not budget.bears(16, GUESS)


def test_money_counts_like_tokens_and_no_limit_bears_all():
    dear = Budget(BudgetConfig(money=1.0), TeacherConfig(price_in=1000.0, price_out=1000.0))
    assert dear.bears(2, GUESS) and not dear.bears(4, GUESS)
    assert Budget(BudgetConfig(), TeacherConfig()).bears(10_000, GUESS)
