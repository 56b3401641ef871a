"""docs/scores.md, written from the table of scores: `python -m reports.scores_page > docs/scores.md`."""

import sys
from collections.abc import Iterator

from sim.study.scores.table import Origin, Score

_PREFACE = """\
# Scores

Every score by the name that `results.parquet`, `leaderboard.json`, MLflow and `--fail-if` know it by. Written by
`python -m reports.scores_page` from the table in `sim/study/scores/table.py`: a score is added there, and is on this
page, in the files and on the command line. How scores are found is told in [judge.md](judge.md).

*Better* is the way that is better, where one is. *Over seeds* is how the values of many seeds become one figure of a
board: in a restricted mean, a time that never came counts as the days to the end; a mean where it ended leaves such
seeds out; both come with the share of them. What has none is in the results alone.

What is marked † is missing for all policies where there is no oracle, and for a policy that does what the oracle
can't. What is marked ‡ can't be told at other prices (`retrainlab report --price`).
"""
_BETTER = {True: "higher", False: "lower", None: "-"}


def scores_page() -> str:
    """Return the page."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from _PREFACE.splitlines()
    for source in Origin:
        yield from (
            "",
            f"## From {source}",
            "",
            "| score | unit | better | meaning | over seeds |",
            "|---|---|---|---|---|",
        )
        for score in Score:
            if score.source is source:
                yield _row(score)


def _row(score: Score) -> str:
    marks = "†" * score.against_oracle + "‡" * (not score.follows_prices)
    better = _BETTER[score.definition.higher_is_better]
    return f"| `{score}` {marks} | {score.unit} | {better} | {score.meaning} | {score.pooling} |".replace(
        "`  |", "` |"
    )


if __name__ == "__main__":
    sys.stdout.write(scores_page())
