"""Write choose_a_trigger.ipynb: from a scenario to a threshold that was confirmed. `make notebook`."""

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

        When should this model be retrained? Here the threshold of a trigger is chosen: from a scenario to every
        setting at once, to a choice, to what it earns in months that the choice never saw. It takes a minute or two,
        on synthetic customers, and needs no network.
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

        import pandas as pd

        from reports.charts.accuracy import accuracy_chart
        from reports.charts.before_after import Side, before_after_chart
        from reports.charts.surface_curve import surface_curve_chart
        from reports.surface_view import read_view
        from scenarios.schema import Time
        from sim.api import (
            Goal,
            PopulationSpec,
            Replay,
            SurfaceStudy,
            TuneStudy,
            World,
            answer,
            choose,
            load_policy,
            load_population,
            load_profile,
            load_scenario,
            parse_limits,
            parse_ranges,
            read_template,
            sentences,
            summarise,
            survey,
        )
        from sim.study.scores.monthly import from_text

        folder = Path(mkdtemp())
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
        One such world, with a model that nobody retrains. The monitor sees the drop months after it happened.
        """,
    ),
    (
        "code",
        """
        gates = load_profile("telco_churn")
        world = Replay(World(scenario, 1, load_population("twin"), kept_steps=None))
        accuracy_chart(world.record(load_policy("never").build(), gates, "never"))
        """,
    ),
    (
        "text",
        """
        ## 2. Every setting at once

        `{a}` stands for any number. Two thresholds that never act differently lead one life, so that the whole range
        is played exactly, by as many lives as there are, in six worlds that differ by their luck alone. The
        proposal's own rule is judged beside them.
        """,
    ),
    (
        "code",
        """
        template = read_template("f1_drop > {a}")
        search = SurfaceStudy(
            scenarios=(scenario,),
            seeds=(1, 2, 3, 4, 5, 6),
            template=template,
            box=parse_ranges(["a=-0.05:0.4"], template),
            profile=gates,
            reference=load_policy("proposal"),
            population=PopulationSpec("twin"),
        )
        surface = survey(search, folder / "surface", cache_folder=folder / "worlds")
        said = answer(surface, template, search.reference, weights={})
        print(*sentences(said, search), sep="\\n")
        """,
    ),
    (
        "text",
        """
        Where the curve is flat, the threshold hardly matters, and the one that asks for fewer retrainings is the
        better choice. But the best of many looks better than it is: part of its lead is the luck of these six worlds.
        """,
    ),
    (
        "code",
        """
        surface_curve_chart(read_view(folder / "surface"), "Source: competitor on the synthetic twin, seeds 1 to 6.")
        """,
    ),
    (
        "text",
        """
        ## 3. Choose, and confirm

        `choose` searches within limits. The seeds are cut into folds, and what was chosen on the others is judged on
        each: its mean there is *cross-fitted*. Each fold's choice lost something against what it had promised on the
        seeds that chose it; the mean of that is the *optimism*. It is about the choices of folds, so that promised
        less cross-fitted is close to it, not equal. Then the choice meets the proposal on six new seeds, paired.
        """,
    ),
    (
        "code",
        """
        study = TuneStudy(
            searches=(search,),
            goal=Goal.MEAN,
            weights={},
            limits=parse_limits(["retrains_per_year <= 4"]),
            confirm_seeds=(7, 8, 9, 10, 11, 12),
        )
        tuned = choose(study, folder / "tuned", cache_folder=folder / "worlds")
        print(f"promised {tuned.chosen.promised.mean:,.0f}, cross-fitted {tuned.chosen.cross_fitted.mean:,.0f}")
        print(f"the optimism is {tuned.chosen.optimism:,.0f}")
        """,
    ),
    (
        "code",
        """
        gain, ends = tuned.confirmed.mean, tuned.confirmed.interval
        print(f"{tuned.spec.parameters['retrain_when']}, on seeds that the search never saw,")
        print(f"earns {gain:+,.0f} ({ends.low:+,.0f} to {ends.high:+,.0f}) against the proposal")
        """,
    ),
    (
        "text",
        """
        ## 4. What changes

        The months of the new seeds under the proposal and under the choice.
        """,
    ),
    (
        "code",
        """
        cells = pd.read_parquet(folder / "tuned" / "confirmation" / "results.parquet")
        before, after = (
            Side(name, tuple(from_text(text) for text in cells.query("policy == @name")["monthly"]))
            for name in ("proposal", "chosen")
        )
        before_after_chart(before, after, scenario, study.confirm_seeds, "twin", search.profile.name)
        """,
    ),
    (
        "text",
        """
        ## 5. Hand it on

        Where the confirmed gain is shown to be above zero, the choice lies there as a policy, which `run`, `compare`
        and production code read as it is. Otherwise there is none, and keeping the proposal is as good. The gain is
        that over the whole proposal, which has four triggers; how its threshold alone fares, the curve above shows.
        """,
    ),
    (
        "code",
        """
        chosen = folder / "tuned" / "chosen.toml"
        print(chosen.read_text() if tuned.is_shown else "Nothing was shown to be better than the proposal.")
        """,
    ),
    (
        "code",
        """
        # The file read again, and played in one more world against the proposal.
        another = Replay(World(scenario, 13, load_population("twin"), kept_steps=None))
        for name in ("proposal", str(chosen)) if tuned.is_shown else ("proposal",):
            policy = load_policy(name)
            scores = summarise(another.record(policy.build(), gates, policy.name))
            print(f"{policy.name}: F1 {scores.f1_after:.3f} after the onset, {scores.retrains} retrainings")
        """,
    ),
    (
        "text",
        """
        ## 6. Before production

        Six seeds of a small world are a sketch. Say the same with more, on the real table, over worlds with other
        drifts and without any, hold a scenario out, let other policies compete, and have the report made:

        ```sh
        retrainlab tune competitor erosion harmless steady --rule "f1_drop > {a}" --range a=-0.05:0.4 \\\\
            --limit "retrains_per_year <= 4" --hold-out recession --seeds 10 --workers 2 --out runs/tuned
        retrainlab report runs/tuned
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
