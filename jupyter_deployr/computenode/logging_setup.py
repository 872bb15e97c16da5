"""How `logging` is set up: its loggers, the class of new ones, the names of levels and what is disabled."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

# The level, whether it propagates and is disabled, its class, attributes that cells have added, handlers and filters.
_Settings = tuple[int, bool, bool, type, dict[str, Any], list[Any], list[Any]]
_UNTOUCHED: _Settings = (logging.NOTSET, True, False, logging.Logger, {}, [], [])
_OWN_ATTRIBUTES = frozenset(vars(logging.Logger("any"))) | {"manager"}


class LoggingSetup:
    """How logging is set up at a moment."""

    def __init__(self) -> None:
        """At this moment."""
        self._loggers = {logger.name: _settings(logger) for logger in _loggers()}
        self._whole = _whole()

    def changes(self) -> Iterator[tuple[str, str, Any, Any]]:
        """What has changed since: what it is called, one of the `MAKERS`, and what that is to be given."""
        for name, value in _whole().items():
            if value != self._whole.get(name):
                yield name, "logging", name, value
        for logger in _loggers():
            settings = _settings(logger)
            if settings == self._loggers.get(logger.name, _UNTOUCHED):
                continue
            label = f"logger {logger.name}"
            yield label, "logger", logger, settings[:5]
            for part, members in (("handler", logger.handlers), ("filter", logger.filters)):
                for number, member in enumerate(members, 1):
                    yield f"{label}: {part} {number}", part, logger, member


def _loggers() -> list[logging.Logger]:
    known = logging.root.manager.loggerDict.values()
    return [logging.root, *(each for each in known if isinstance(each, logging.Logger))]


def _settings(logger: logging.Logger) -> _Settings:
    handlers = [each for each in logger.handlers if type(each) is not logging.NullHandler]
    attributes = {name: value for name, value in vars(logger).items() if name not in _OWN_ATTRIBUTES}
    switches = logger.level, logger.propagate, logger.disabled
    return (*switches, type(logger), attributes, handlers, list(logger.filters))


def _whole() -> dict[str, Any]:
    return {
        "logging.disable": logging.root.manager.disable,
        "logging.getLoggerClass": logging.getLoggerClass(),
        "logging.getLogRecordFactory": logging.getLogRecordFactory(),
        "logging.addLevelName": (dict(logging._levelToName), dict(logging._nameToLevel)),
    }


def _set_whole(name: str, value: Any) -> None:
    match name:
        case "logging.disable":
            logging.disable(value)
        case "logging.getLoggerClass":
            logging.setLoggerClass(value)
        case "logging.getLogRecordFactory":
            logging.setLogRecordFactory(value)
        case "logging.addLevelName":
            logging._levelToName.update(value[0])
            logging._nameToLevel.update(value[1])


def _set_up(logger: logging.Logger, settings: tuple[int, bool, bool, type, dict[str, Any]]) -> None:
    """Its handlers and filters come after it."""
    level, logger.propagate, logger.disabled, kind, attributes = settings
    if type(logger) is not kind:
        logger.__class__ = kind
    vars(logger).update(attributes)
    logger.setLevel(level)
    logger.handlers.clear()
    logger.filters.clear()


MAKERS: dict[str, Callable[[Any, Any], None]] = {
    "logging": _set_whole,
    "logger": _set_up,
    "handler": logging.Logger.addHandler,
    "filter": logging.Logger.addFilter,
}
