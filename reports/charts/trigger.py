"""The trigger as a flowchart: how often each branch fired, was suppressed, and was missing."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from policies.decision import Action
from reports.caption import record_caption
from reports.diagram import Box, Diagram
from reports.style import BLUE, GREEN, MUTED, ORANGE, PAPER, RED, chart, sheet
from sim.mlops.records.record import Record
from sim.study.scores.judge import ClauseCount, clause_counts

MOST_CLAUSES = 10
_ROW, _BOX_HEIGHT = 0.78, 0.62
_CLAUSE_X, _CLAUSE_WIDTH = 1.9, 3.15


@dataclass(frozen=True, slots=True)
class TriggerFacts:
    """In how many steps each end of the flowchart was reached; they add up to `steps`.

    `held_back` counts by reason what was asked for and suppressed: `waiting`, `cooldown`, `job_open`, `no_previous`.
    """

    steps: int
    quiet: int
    missing: int
    held_back: dict[str, int]
    acted: dict[str, int]
    clauses: tuple[ClauseCount, ...]

    @property
    def asked(self) -> int:
        """In how many steps the policy wanted to act."""
        return sum(self.held_back.values()) + sum(self.acted.values())


def trigger_facts(record: Record) -> TriggerFacts:
    """Count the ends of a record's decisions."""
    kept = [row.decision.reason for row in record.steps if row.decision.action is Action.KEEP]
    acts = [str(row.decision.action) for row in record.steps if row.decision.action is not Action.KEEP]
    quiet, missing = kept.count("quiet"), kept.count("missing")
    held_back = [reason for reason in kept if reason not in {"quiet", "missing"}]
    return TriggerFacts(
        steps=len(record.steps),
        quiet=quiet,
        missing=missing,
        held_back={reason: held_back.count(reason) for reason in sorted(set(held_back))},
        acted={action: acts.count(action) for action in sorted(set(acts))},
        clauses=clause_counts(record),
    )


@chart
def trigger_chart(record: Record) -> Figure:
    """Draw the policy's decisions as a flowchart; of more than ten clauses the first ten are drawn."""
    facts = trigger_facts(record)
    shown = facts.clauses[:MOST_CLAUSES]
    height = max(len(shown) + (len(facts.clauses) > len(shown)), 4) * _ROW + 0.3
    finding = (
        f"In {facts.steps:,} steps the trigger asked {facts.asked:,} times: {sum(facts.acted.values()):,} led to an "
        f"action, {sum(facts.held_back.values()):,} were suppressed. In {facts.missing:,} steps a missing signal "
        f"left the rule unknown."
    )
    note = "true / alone / missing: steps in which the clause held, held as the only one, and had no signal."
    page = sheet("The trigger, branch by branch", finding, record_caption(record, note if shown else ""), height)
    diagram = Diagram(page.body, height)
    centre = height / 2
    start = diagram.box(Box(0.15, centre - 0.4, 1.2, 0.8), "Signals", (f"{facts.steps:,} steps",), edge=GREEN)
    rule = Box(5.65, centre - 0.4, 1.45, 0.8)
    _draw_clauses(diagram, facts, height, start, rule)
    diagram.box(rule, "Rule" if shown else "Policy", (f"asks {facts.asked:,} times",))
    _draw_ends(diagram, facts, height, rule)
    return page.figure


def _draw_clauses(diagram: Diagram, facts: TriggerFacts, height: float, start: Box, rule: Box) -> None:
    shown = facts.clauses[:MOST_CLAUSES]
    hidden = len(facts.clauses) - len(shown)
    rows = len(shown) + (hidden > 0)
    if not rows:
        diagram.arrow(start.right, rule.left)
        diagram.label((start.right[0] + rule.left[0]) / 2, height / 2 + 0.25, "a policy without clauses", 3.0)
    for number in range(rows):
        y = height / 2 + (rows / 2 - number - 0.5) * _ROW - _BOX_HEIGHT / 2
        box = Box(_CLAUSE_X, y, _CLAUSE_WIDTH, _BOX_HEIGHT)
        if number < len(shown):
            count = shown[number]
            told = f"true {count.true:,} / alone {count.true_alone:,} / missing {count.missing:,}"
            diagram.box(box, count.clause, (told,), edge=BLUE if count.true else MUTED)
        else:
            diagram.box(box, f"and {hidden:,} more clauses")
        diagram.arrow(start.right, box.left, colour=MUTED)
        diagram.arrow(box.right, rule.left, colour=BLUE if number < len(shown) and shown[number].true else MUTED)


def _draw_ends(diagram: Diagram, facts: TriggerFacts, height: float, rule: Box) -> None:
    suppressed = ", ".join(f"{reason} {count:,}" for reason, count in facts.held_back.items()) or "never"
    acted = ", ".join(f"{action} {count:,}" for action, count in facts.acted.items()) or "never"
    ends = (
        ("Act", acted, GREEN, sum(facts.acted.values())),
        ("Suppressed", suppressed, ORANGE, sum(facts.held_back.values())),
        ("Missing", f"unknown in {facts.missing:,}", RED, facts.missing),
        ("Quiet", f"false in {facts.quiet:,}", MUTED, facts.quiet),
    )
    for number, (heading, line, colour, count) in enumerate(ends):
        y = height / 2 + (len(ends) / 2 - number - 0.5) * _ROW - _BOX_HEIGHT / 2
        box = diagram.box(Box(7.75, y, 2.1, _BOX_HEIGHT), f"{heading}: {count:,}", (line,), edge=colour, fill=PAPER)
        diagram.arrow(rule.right, box.left, colour=colour, is_dashed=not count)
