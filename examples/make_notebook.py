"""Write choose_a_trigger.ipynb: from a scenario to a justified threshold. `make notebook`."""

from pathlib import Path
from textwrap import dedent

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

NOTEBOOK = Path(__file__).with_name("choose_a_trigger.ipynb")

CELLS: tuple[tuple[str, str], ...] = (
    (
        "text",
        """
        # Choose a trigger

        When should this model be retrained? Here a threshold on `f1_drop` is chosen by playing the same months under
        several of them, and the choice is justified with an interval. It takes about a minute, on synthetic
        customers, and needs no network.
        """,
    ),
    (
        "code",
        """
        %matplotlib inline
        import warnings

        warnings.filterwarnings("ignore", message="IProgress")  # no progress bar is wanted here
        """,
    ),
    (
        "code",
        """
        from pathlib import Path
        from tempfile import mkdtemp

        from reports.caption import board_caption
        from reports.charts.before_after import Side, before_after_chart
        from reports.charts.leaderboard import leaderboard_chart
        from reports.charts.recovery_cost import recovery_cost_chart
        from reports.charts.threshold import threshold_chart
        from reports.charts.trigger_roc import trigger_roc_chart
        from reports.families import families, proposed_setting
        from scenarios.schema import Time
        from sim.api import PopulationSpec, Study, compare, contestants, load_profile, load_scenario, parse_grid
        from sim.study.inference.contests import paired_difference
        from sim.study.scores.monthly import from_text
        """,
    ),
    (
        "text",
        """
        ## 1. The world

        A scenario says what happens: who the customers are, how they drift, when labels come, what an offer costs.
        This one moves no feature at all; only labels, three months later, show that something changed.
        """,
    ),
    (
        "code",
        """
        scenario = load_scenario("competitor")
        scenario = scenario.model_copy(update={"time": Time(steps=30, customers=600)})
        print(scenario.title, scenario.story, sep="\\n\\n")
        """,
    ),
    (
        "text",
        """
        ## 2. The candidates

        One rule at seven thresholds. `never` is the baseline: the first model, kept. `oracle` is the best schedule in
        hindsight that still waits for labels and gates: nobody can be better.
        """,
    ),
    (
        "code",
        """
        candidates = contestants(["never", "oracle", "f1_drop > {a}"], parse_grid(["a=0.02:0.26:7"]))
        study = Study(
            scenarios=(scenario,),
            contestants=candidates,
            profiles=(load_profile("telco_churn"),),
            seeds=(1, 2, 3, 4, 5, 6),
            baseline="never",
            population=PopulationSpec("twin"),
        )
        [candidate.name for candidate in candidates]
        """,
    ),
    (
        "text",
        """
        ## 3. Play

        Every policy meets the same customers, outcomes and delays. With fewer than five seeds there would be no
        interval.
        """,
    ),
    (
        "code",
        """
        comparison = compare(study, Path(mkdtemp()) / "study")
        board = comparison.leaderboard.boards[0]
        caption = board_caption(board, study.seeds, study.population_name)
        comparison.cells[["policy", "seed", "net_value", "regret", "retrains"]].head()
        """,
    ),
    (
        "text",
        """
        ## 4. What is each worth?
        """,
    ),
    ("code", 'leaderboard_chart(board, "never", caption)'),
    ("code", "recovery_cost_chart(board, caption)"),
    (
        "text",
        """
        ## 5. Which threshold?

        Regret is what the oracle earns more. Where the band is wide and flat, the threshold hardly matters, and the
        one with fewer false alarms is the better choice.
        """,
    ),
    (
        "code",
        """
        (family,) = families(study.policies)
        threshold_chart(family, board, caption)
        """,
    ),
    ("code", "trigger_roc_chart(family, board, caption)"),
    (
        "text",
        """
        ## 6. Justify it

        The best mean may be luck. What differs from it on the same seeds, and what does not?
        """,
    ),
    (
        "code",
        """
        regret = comparison.cells.pivot(index="seed", columns="policy", values="regret")
        best = min(family.settings, key=lambda setting: regret[setting.policy].mean())
        print(f"best: {best.policy}; the proposal's threshold: {proposed_setting(family)}")
        for setting in family.settings:
            found = paired_difference(regret[setting.policy].tolist(), regret[best.policy].tolist())
            if setting != best:
                low, high = found.interval.low, found.interval.high
                print(f"{setting.policy}: {found.mean:+,.0f} in regret ({low:+,.0f} to {high:+,.0f})")
        """,
    ),
    (
        "code",
        """
        lives = {
            policy: [from_text(text) for text in comparison.cells.query("policy == @policy")["monthly"]]
            for policy in ("never", best.policy)
        }
        before, after = (Side(policy, tuple(own)) for policy, own in lives.items())
        before_after_chart(before, after, scenario, study.seeds, study.population_name, board.gates)
        """,
    ),
    (
        "text",
        """
        ## 7. Before production

        Six seeds of a small world are a sketch. Say the same with twenty seeds, on the real table, on worlds without
        drift and with other drifts, and let it make the report:

        ```sh
        retrainlab compare competitor steady proposal --policy never --policy oracle \\\\
            --policy "f1_drop > {a}" --grid a=0.02:0.26:7 --seeds 20 --workers 2 --out runs/threshold
        retrainlab report runs/threshold
        ```
        """,
    ),
)


def notebook() -> NotebookNode:
    """Return the notebook, without outputs."""
    made = new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, (kind, source) in enumerate(CELLS, start=1):
        text, name = dedent(source).strip(), f"cell-{number:02d}"
        made.cells.append(new_code_cell(text, id=name) if kind == "code" else new_markdown_cell(text, id=name))
    return made


if __name__ == "__main__":
    nbformat.write(notebook(), NOTEBOOK)
