"""Injectors: what may happen to a world, when, and how strongly.

Covariate and mix injectors move the customers, mechanism injectors the outcomes; faults corrupt what is seen of the
customers or of their outcomes and leave the truth alone. Every file of this folder that declares a kind is found here
by itself.
"""

from functools import reduce
from importlib import import_module
from operator import or_
from pkgutil import iter_modules
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from scenarios.injectors.base import (
    CovariateInjector,
    Fault,
    Injector,
    LabelFault,
    MechanismInjector,
    MixInjector,
    RowFault,
    ValueFault,
)
from scenarios.injectors.category import CategoryDrift
from scenarios.injectors.concept import ConceptDrift
from scenarios.injectors.dropped import DroppedFault
from scenarios.injectors.duplicates import DuplicateFault
from scenarios.injectors.late import LateFault
from scenarios.injectors.mislabelled import MislabelFault
from scenarios.injectors.mix import MixDrift
from scenarios.injectors.nulls import NullFault
from scenarios.injectors.number import NumberDrift
from scenarios.injectors.prior import PriorDrift
from scenarios.injectors.rename import RenameFault
from scenarios.injectors.stuck import StuckFault
from scenarios.injectors.swap import SwapFault
from scenarios.injectors.text import TextFault
from scenarios.injectors.unit import UnitFault

__all__ = [
    "INJECTORS",
    "CategoryDrift",
    "ConceptDrift",
    "CovariateInjector",
    "Drift",
    "DroppedFault",
    "DuplicateFault",
    "Fault",
    "Injector",
    "LabelFault",
    "LateFault",
    "MechanismInjector",
    "MislabelFault",
    "MixDrift",
    "MixInjector",
    "NullFault",
    "NumberDrift",
    "PriorDrift",
    "RenameFault",
    "RowFault",
    "StuckFault",
    "SwapFault",
    "TextFault",
    "UnitFault",
    "ValueFault",
]


def _declared() -> tuple[type[Injector], ...]:
    """Return every kind that a file of this folder declares, in the order of their names in a scenario file."""
    modules = [import_module(f"{__name__}.{each.name}") for each in iter_modules(__path__)]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Injector) and "kind" in value.model_fields
    }
    return tuple(sorted(found, key=lambda kind: kind.known_as()))


INJECTORS = _declared()
"""Every kind of injector."""


class _OfAnyKind:
    """Reads an injector as the one that its `kind` names."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        union: Any = reduce(or_, INJECTORS)
        return handler.generate_schema(Annotated[union, Field(discriminator="kind")])


Drift = Annotated[Injector, _OfAnyKind()]
"""An injector of any kind, as a scenario holds it."""
