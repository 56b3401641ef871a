"""The loop: one life of a deployed model, and the platform that it runs on."""
