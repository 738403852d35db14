"""The exception whose message is written for users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class NetliftError(Exception):
    """An error that the user can fix: bad input, a bad setting, too little data.

    The message says what is wrong, where, how many, and what to do. Scripts show it without a
    traceback and end with a non-zero exit code.
    """


def listed(items: Iterable[object], *, limit: int = 3) -> str:
    """Name the first few of many things: ``a, b, c and 4 more``.

    Parameters
    ----------
    items
        What to name, in order.
    limit
        How many are written out before the rest is counted.
    """
    names = [str(item) for item in items]
    if len(names) <= limit:
        return ", ".join(names)
    return f"{', '.join(names[:limit])} and {len(names) - limit:,} more"


@contextmanager
def unexpected_content(message: str) -> Iterator[None]:
    """Turn errors that the unexpected content of a file causes into one message.

    Parameters
    ----------
    message
        What cannot be done with which files, and what to do.

    Raises
    ------
    NetliftError
        The message, with the cause.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise NetliftError(f"{message} ({type(error).__name__}: {error})") from error
    except ValueError as error:
        raise NetliftError(f"{message} ({error})") from error
