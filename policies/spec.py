"""Policy specifications: a policy's kind and parameters as plain values, to write down, compare and build from."""

import inspect
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

import tomli_w

from policies.always import Always
from policies.cara import Cara
from policies.decision import Policy
from policies.detector import Detector
from policies.dynamic import Dynamic
from policies.every import Every
from policies.expected_value import ExpectedValue
from policies.forecast import Forecast
from policies.hold_back import SETTINGS, HeldBack, HoldBack
from policies.ladder import Ladder
from policies.learning_by import LearningBy
from policies.manual import Manual
from policies.never import Never
from policies.online_fdr import OnlineFdr
from policies.reactive import Reactive
from policies.rule import Rule
from policies.settings import Value
from policies.user_class import code_digest, is_user_class, user_class
from sim.errors import InputError, did_you_mean

KINDS: Mapping[str, Callable[..., Policy]] = {
    "rule": Rule,
    "never": Never,
    "always": Always,
    "every": Every,
    "manual": Manual,
    "detector": Detector,
    "online_fdr": OnlineFdr,
    "dynamic": Dynamic,
    "cara": Cara,
    "expected_value": ExpectedValue,
    "forecast": Forecast,
    "reactive": Reactive,
    "ladder": Ladder,
}
"""What builds the policies of each kind; its arguments are the parameters."""

_TEXTS = ("story", "code", "training")
_NOT_PARAMETERS = ("kind", *_TEXTS)


@cache
def _named_parameters(constructor: Callable[..., Policy]) -> Mapping[str, inspect.Parameter]:
    """Return what a constructor takes by name."""
    parameters = inspect.signature(constructor).parameters
    named = {
        name: each for name, each in parameters.items() if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }
    return MappingProxyType(named)


@dataclass(frozen=True, slots=True)
class PolicySpec:
    """A policy to be built: values only, so equal when they say the same, and able to travel to other processes.

    Parameters
    ----------
    name
        How the policy is called in tables and records.
    kind
        One of `KINDS`, or a class of one's own as `path/to/file.py:ClassName`, whose file is run.
    parameters
        Arguments of the kind's constructor; those left out are filled in with their defaults. And the settings of
        `policies.hold_back`, which a kind need not know: what it does not take itself holds its requests back from
        outside.
    story
        A paragraph: when the policy is a good choice and when a bad one.
    training
        The training profile that its retrainings learn by where a decision names none: the run's own if empty. It may
        be given among the parameters.
    code
        For a class of one's own the SHA-256 of its file, found unless given: another code is another policy.

    Raises
    ------
    InputError
        If the kind is unknown, or a parameter is unknown, absent or out of range; if the file of a class of one's
        own cannot be run, or is not the one that `code` says.

    Examples
    --------
    >>> spec = PolicySpec("quarterly", "every", {"days": 90})
    >>> spec.build()
    Every(days=90)
    >>> print(spec.to_toml())
    [policy.quarterly]
    kind = "every"
    days = 90
    <BLANKLINE>
    """

    name: str
    kind: str = "rule"
    parameters: Mapping[str, Value] = field(default_factory=dict)
    story: str = ""
    code: str = ""
    training: str = ""

    def __post_init__(self) -> None:
        _check_text("name", self.name)
        _check_text("kind", self.kind)
        _check_text("story", self.story)
        _check_text("code", self.code)
        given = dict(self.parameters)
        object.__setattr__(self, "training", given.pop("training", self.training))
        object.__setattr__(self, "parameters", given)
        _check_text("training", self.training)
        if not self.name.strip():
            raise InputError("A policy must have a name, got an empty one.")
        if is_user_class(self.kind):
            self._check_code()
        elif self.kind not in KINDS:
            raise InputError(
                f"The kind of policy {self.name!r} must be one of {', '.join(KINDS)}, got {self.kind!r}."
                f"{did_you_mean(self.kind, KINDS)}"
            )
        object.__setattr__(self, "parameters", self._complete())
        object.__setattr__(self, "story", " ".join(self.story.split()))
        self.build()  # the constructor is what knows the ranges
        self._check_values()

    def __hash__(self) -> int:
        return hash((self.name, self.kind, tuple(self.parameters.items()), self.story, self.code, self.training))

    @property
    def chosen(self) -> dict[str, Value]:
        """The parameters that are not what they would be by default.

        >>> PolicySpec("yearly", "every", {"days": 365}).chosen, PolicySpec("quarterly", "every", {"days": 90}).chosen
        ({'days': 365}, {})
        """
        known = self._known
        return {
            name: value
            for name, value in self.parameters.items()
            if name not in known or value != known[name].default
        }

    @property
    def whole(self) -> frozenset[str]:
        """The parameters that the constructor says are whole numbers, by `int`.

        >>> sorted(PolicySpec("spread", "ladder").whole)
        ['patience_steps']
        """
        return frozenset(name for name, each in self._known.items() if each.annotation in {int, "int"})

    def build(self) -> Policy:
        """Return a fresh policy that has seen nothing yet."""
        try:
            policy = self._constructor(**{name: self.parameters[name] for name in self._known})
            if chain := {name: value for name, value in self.parameters.items() if name not in self._known}:
                policy = HeldBack(policy, HoldBack(**chain))  # type: ignore[arg-type]  # which HoldBack checks
            return LearningBy(policy, self.training) if self.training else policy
        except InputError as error:
            raise InputError(f"Policy {self.name!r} cannot be built: {error}") from error
        except Exception as error:
            if not is_user_class(self.kind):
                raise
            raise InputError(f"Policy {self.name!r} cannot be built: {type(error).__name__}: {error}") from error

    def to_toml(self) -> str:
        """Return the policy as a TOML table with every default filled in; `policies_from_toml` reads it back."""
        values = {"kind": self.kind, **self.parameters}
        told = {"training": self.training, "story": self.story, "code": self.code}
        values |= {key: text for key, text in told.items() if text}
        return tomli_w.dumps({"policy": {self.name: values}})

    @property
    def _constructor(self) -> Callable[..., Policy]:
        return user_class(self.kind) if is_user_class(self.kind) else KINDS[self.kind]

    @property
    def _known(self) -> Mapping[str, inspect.Parameter]:
        return _named_parameters(self._constructor)

    def _check_values(self) -> None:
        for name, value in self.parameters.items():
            if name in _NOT_PARAMETERS:
                raise InputError(
                    f"Policy {self.name!r} must not call a parameter {name}, which is a key of its table: give the "
                    f"parameter of {self.kind} another name."
                )
            if not isinstance(value, Value):
                raise InputError(
                    f"Policy {self.name!r} must take text, numbers, true or false, but its parameter {name} is "
                    f"{value!r}: give it such a value, or keep it out of the constructor of {self.kind}."
                )

    def _check_code(self) -> None:
        digest = code_digest(self.kind)
        if self.code and self.code != digest:
            raise InputError(
                f"The code of policy {self.name!r} must be what it was, but {self.kind.rpartition(':')[0]} has "
                f"changed since: undo that, or leave `code` out."
            )
        object.__setattr__(self, "code", digest)

    def _complete(self) -> dict[str, Value]:
        """Return the parameters in the constructor's order, defaults filled in, then those of a chain outside it."""
        known = self._known
        for name in self.parameters:
            if name not in known and name not in SETTINGS:
                raise InputError(self._unknown_parameter(name, known))
        complete = {}
        for name, parameter in known.items():
            value = self.parameters.get(name, parameter.default)
            if value is inspect.Parameter.empty:
                raise InputError(f"Policy {self.name!r} must set {name!r}, which kind {self.kind!r} needs: add it.")
            complete[name] = value
        chain = {name: self.parameters.get(name, default) for name, default in SETTINGS.items() if name not in known}
        return complete | {name: value for name, value in chain.items() if value != SETTINGS[name]}

    def _unknown_parameter(self, name: str, known: Mapping[str, object]) -> str:
        takes = ", ".join(known) if known else "no parameters"
        return (
            f"Policy {self.name!r} of kind {self.kind!r} takes {takes}, got {name!r}."
            f"{did_you_mean(name, [*known, *SETTINGS, *_NOT_PARAMETERS])}"
        )


def policies_from_toml(text: str, source: str) -> dict[str, PolicySpec]:
    """Return the policies of a TOML text by name.

    Parameters
    ----------
    text
        TOML with a table `[policy.NAME]` for each policy: `kind` (default "rule"), the parameters of the kind,
        `training` and `story`. A class of one's own is refused: it is code, and only the command line may have it
        run.
    source
        Where the text came from; error messages name it.

    Raises
    ------
    InputError
        If the text is no TOML, holds no policy, or one that cannot be built.
    """
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source} must be a valid TOML file: {error or 'nested too deeply'}.") from error
    for key in document:
        if key != "policy":
            raise InputError(
                f"{source} must hold tables [policy.NAME] only, got {key!r}.{did_you_mean(key, ['policy'])}"
            )
    tables = document.get("policy")
    if not isinstance(tables, dict) or not tables:
        raise InputError(f"{source} must hold a table [policy.NAME], got none: add one.")
    return {name: _from_table(name, table, source) for name, table in tables.items()}


def _from_table(name: str, table: object, source: str) -> PolicySpec:
    if not isinstance(table, dict):
        raise InputError(f"{source} must hold tables [policy.NAME], got the value policy.{name}: give it a name.")
    parameters = {key: value for key, value in table.items() if key not in _NOT_PARAMETERS}
    kind = table.get("kind", "rule")
    if isinstance(kind, str) and is_user_class(kind):
        raise InputError(f"{source} is data and can't have code run: ask for the class by --policy {kind} instead.")
    try:
        return PolicySpec(name, kind, parameters, **{key: table[key] for key in _TEXTS if key in table})
    except InputError as error:
        raise InputError(f"{source}: {error}") from error


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise InputError(f"The {name} of a policy must be text, got {value!r}.")
