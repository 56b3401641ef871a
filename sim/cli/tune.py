"""`retrainlab tune`: which setting should be used."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import typer

from sim.cli.interrupt import resumable
from sim.cli.options import AsJson, SearchOptions, seeds
from sim.cli.screen import Whole, show_screen
from sim.cli.sizes import Workforce, Worlds, check_tuning, lives_a_seed, table_bytes
from sim.cli.terminal import counting, tell
from sim.errors import InputError

_RULE = "f1_drop > {a}"


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """What one tuning is asked for."""

    scenarios: Annotated[list[str], typer.Argument(help="Scenarios of the catalogue, or TOML files.")]
    rule: Annotated[
        list[str],
        typer.Option(
            help="A rule with placeholders, as for surface, or any other policy with some (repeatable). Left out: "
            "f1_drop > {a}."
        ),
    ] = field(default_factory=list)
    range: Annotated[
        list[str],
        typer.Option(
            help="Numbers to search for a placeholder, as a=0.01:0.2, or a=0.001:1:log where the policy is no rule."
        ),
    ] = field(default_factory=list)
    tries: Annotated[
        int, typer.Option(help="How many settings of each policy that is no rule are tried, as Optuna asks.")
    ] = 64
    goal: Annotated[str, typer.Option(help="mean (net value over the scenarios) or worst_regret (among them).")] = (
        "mean"
    )
    weight: Annotated[list[str], typer.Option(help="How much a scenario counts, as erosion=2; 1 otherwise.")] = field(
        default_factory=list
    )
    limit: Annotated[
        list[str], typer.Option(help="What every scenario must keep to, as 'retrains_per_year <= 4' (repeatable).")
    ] = field(default_factory=list)
    reference: Annotated[
        str,
        typer.Option(help="The rule that the choice must be shown to beat, with the first --training and --gates."),
    ] = "proposal"
    gates: Annotated[
        list[str], typer.Option(help="A gate profile (repeatable); with several, the best is chosen too.")
    ] = field(default_factory=list)
    training: Annotated[
        list[str],
        typer.Option(
            help="What retrainings learn from: a training profile (repeatable); with several, the best is chosen too."
        ),
    ] = field(default_factory=list)
    hold_out: Annotated[list[str], typer.Option(help="A scenario that the search must not see (repeatable).")] = (
        field(default_factory=list)
    )
    confirm: Annotated[int, typer.Option(min=1, help="How many lives after those confirm the choice.")] = 10
    search: SearchOptions = field(default_factory=SearchOptions)
    as_json: AsJson = False
    whole: Whole = False


def tune(options: TuneOptions) -> None:
    """Choose the setting of a policy. The choice is confirmed on seeds and scenarios that the search never saw."""
    study = _study(options)

    from sim.study.surface.choice import choose

    title = "-".join([*(scenario.id for scenario in study.searches[0].scenarios), "tuning"])
    folder = options.search.folder(title)
    worlds = sum(search.n_worlds for search in study.searches)
    with resumable(folder), counting(worlds) as on_world:
        tuned = choose(
            study,
            folder,
            workers=options.search.place.workers,
            engine=options.search.place.engine,
            address=options.search.place.address,
            resume=options.search.resume,
            cache_folder=options.search.worlds_folder(),
            on_world=on_world,
        )
    if options.as_json:
        policy = _policy(tuned, folder) if tuned.is_shown else None
        typer.echo(json.dumps({"folder": str(folder), "policy": policy, **_plain(tuned)}, allow_nan=False))
        return
    said = list(_sentences(tuned, study))
    if tuned.is_shown:
        gates = f", with --gates {tuned.search.profile.name}" if options.gates else ""
        said.append(f"The choice is {_policy(tuned, folder)}; run and compare take it as a --policy{gates}.")
    show_screen(said, whole=options.whole)


def _policy(tuned: Any, folder: Path) -> str:
    """Return what `--policy` takes for the choice."""
    from sim.study.surface.choice import CHOSEN_FILE

    return str(folder / CHOSEN_FILE) if tuned.policy == CHOSEN_FILE else str(tuned.policy)


def _sentences(tuned: Any, study: Any) -> Iterator[str]:
    from sim.study.surface.words import amount_words, currency_of, setting_words

    currency = currency_of(study.searches[0].scenarios)

    def money(figure: Any) -> str:
        return amount_words(figure, currency)

    first, are_several = study.searches[0], len(study.searches) > 1
    reference = f"{first.reference.name}{_levers(first) if are_several else ''}"
    yield f"{tuned.rule} with {setting_words(tuned.chosen.setting)}{_levers(tuned.search) if are_several else ''}."
    if told := _tries(tuned.search):
        yield told
    optimism = f"{currency} {tuned.chosen.optimism:z,.0f}".lstrip()
    yield f"  The search promised {money(tuned.chosen.promised)} on the seeds that it saw."
    yield (
        f"  Cross-fitted over {tuned.chosen.folds} folds, choosing like this earns "
        f"{money(tuned.chosen.cross_fitted)}; the optimism is {optimism}."
    )
    yield f"  On new seeds it earns {money(tuned.confirmed)} more than {reference}, paired:"
    for name, gain in tuned.by_scenario.items():
        yield f"    {name:<28}{money(gain):>34}"
    if not tuned.is_shown:
        yield f"Nothing was shown to be better than {reference} on seeds that the search never saw."
    if are_several:
        yield "Choosing among the settings of one alone earns, cross-fitted:"
        for search, alone in zip(study.searches, tuned.alone, strict=True):
            told = "none is within the limits" if alone is None else money(alone)
            yield f"  {search.template.text}{_levers(search)}: {told}"


def _tries(search: Any) -> str:
    """Return what is to be said of settings that were tried one by one; nothing of a surface, which has them all."""
    tries = getattr(search, "tries", None)
    if tries is None:
        return ""
    return (
        f"  Optuna tried {tries:,} settings of it, led by the same seeds, so the cross-fitted figure may be high; "
        f"the one on new seeds is not."
    )


def _levers(search: Any) -> str:
    """Return what a search learns from and which gates it meets, in words that go on a sentence."""
    learning = f", learning by {search.training}" if search.training else ""
    return f"{learning}, under the gates {search.profile.name}"


def _plain(tuned: Any) -> dict[str, Any]:
    def figure(each: Any) -> dict[str, float | None]:
        low, high = (each.interval.low, each.interval.high) if each.interval else (None, None)
        mean = each.mean if each.mean == each.mean else None
        return {"mean": mean, "low": low, "high": high}

    chosen = tuned.chosen
    return {
        "rule": tuned.rule,
        "training": tuned.search.training,
        "gates": tuned.search.profile.name,
        "setting": dict(chosen.setting),
        "promised": figure(chosen.promised),
        "cross_fitted": figure(chosen.cross_fitted),
        "optimism": chosen.optimism if chosen.optimism == chosen.optimism else None,
        "against_reference": figure(chosen.against_reference),
        "confirmed": figure(tuned.confirmed),
        "by_scenario": {name: figure(each) for name, each in tuned.by_scenario.items()},
        "is_shown": tuned.is_shown,
    }


def _study(options: TuneOptions) -> Any:
    searched, held_out = _scenarios(options)

    from policies.catalogue import load_policy
    from policies.parameters import check_choice
    from sim.study.surface.choice import TuneStudy
    from sim.study.surface.goal import Goal, parse_limits, parse_weights

    check_choice("--goal", options.goal, [goal.value for goal in Goal])
    search = options.search
    templates = _templates(options)
    trainings, gates = options.training or [""], options.gates or [""]
    asked, unseen = (search.played(each, trainings[0], tell) for each in (searched, held_out))
    reference = load_policy(options.reference)
    searches = tuple(
        study(
            scenarios=asked,
            seeds=seeds(search.seeds),
            profile=search.profile(named),
            reference=reference,
            population=search.population.spec(),
            trials=search.trials,
            training=training,
        )
        for study, training, named in product(templates, trainings, gates)
    )
    return TuneStudy(
        searches=searches,
        goal=Goal(options.goal),
        weights=parse_weights(options.weight, [scenario.name for scenario in asked]),
        limits=parse_limits(options.limit),
        confirm_seeds=tuple(range(search.seeds + 1, search.seeds + options.confirm + 1)),
        hold_out=unseen,
    )


def _templates(options: TuneOptions) -> list[Callable[..., Any]]:
    """Return for each policy what makes a search of it, with what is searched already given."""
    from sim.study.lives.policy_template import is_rule, read_policy_template
    from sim.study.lives.template import placeholders, read_template
    from sim.study.surface.study import SurfaceStudy, parse_ranges
    from sim.study.surface.tried import TriedStudy

    rules = options.rule or [_RULE]
    names = [placeholders(rule) for rule in rules]
    named = [(text.partition("=")[0].strip(), text) for text in options.range]
    for name, text in named:
        if not any(name in own for own in names):
            raise InputError(f"a --range must be of a placeholder of a rule, got {text!r}; leave it out.")
    found: list[Callable[..., Any]] = []
    for rule, mine in zip(rules, names, strict=True):
        own = [text for name, text in named if name in mine]
        if is_rule(rule):
            template = read_template(rule)
            found.append(partial(SurfaceStudy, template=template, box=parse_ranges(own, template)))
        else:
            found.append(partial(TriedStudy, template=read_policy_template(rule, own), tries=options.tries))
    return found


def _scenarios(options: TuneOptions) -> tuple[list[Any], list[Any]]:
    """Return the scenarios of the search and those held out, if the tuning fits this machine."""
    from scenarios.files import load_scenario
    from sim.study.lives.policy_template import is_rule

    searched, held_out = ([load_scenario(name) for name in names] for names in (options.scenarios, options.hold_out))
    search, table = options.search, table_bytes(options.search.population)
    combinations = max(len(options.training), 1) * max(len(options.gates), 1)
    are_rules = [is_rule(text) for text in options.rule or [_RULE]]
    check_tuning(
        Worlds(searched, search.seeds, search.trials, table),
        Worlds([*searched, *held_out], options.confirm * lives_a_seed(search.population), search.trials, table),
        combinations * sum(are_rules),
        Workforce.of(search.place),
        [options.tries] * (combinations * are_rules.count(False)),
    )
    return searched, held_out
