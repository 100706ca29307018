"""The life of a job as a machine that is checked: `python -m tests.life` (docs/internals/life.md)."""
