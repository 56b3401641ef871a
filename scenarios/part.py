"""What all parts of a scenario file have in common: they are frozen, and refuse unknown keys and wrong types."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0, lt=1)]
PositiveCount = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Days = Annotated[int, Field(ge=0)]


class Part(BaseModel):
    """A frozen part of a scenario that refuses unknown keys and wrong types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
