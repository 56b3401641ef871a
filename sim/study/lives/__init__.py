"""Lives that fork: many settings live one life until they act differently."""
