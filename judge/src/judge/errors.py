"""The error of a question that has no verdict."""


class CannotJudgeError(Exception):
    """The model could not be judged: `nats` raised, or its answer has a wrong form.

    This is no verdict about the model. Arguments of `judge` itself that are wrong raise
    ValueError.
    """
