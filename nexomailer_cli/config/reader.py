"""From the tables of a TOML file to a `Config`, or to all of its mistakes at once.

Each value is converted alone, since the library's conversion stops at the first
mistake; something stands in for a wrong value, so that the rest is examined too.
Knows no TOML syntax, and of the file system only whether a certificate is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_origin

import msgspec
from msgspec import Struct

from nexomailer_cli.config.contradictions import contradictions
from nexomailer_cli.config.keys import Key, keys_of, stand_in, stand_in_for
from nexomailer_cli.config.password_variable import mistakable, with_variable
from nexomailer_cli.config.settings import Config, Provider, SmtpConfig
from nexomailer_cli.config.value import Source, read_text, read_value

if TYPE_CHECKING:
    from nexomailer_cli.config.lines import KeyPath

    Table = dict[str, Any]


class _Scope(Struct, frozen=True):
    """A block while it is read: where it stands, and what has been seen of it.

    `names` are the names of all attributes as the file spells them, `given` and
    `wrong` the attributes that occur and those that are wrong by themselves.
    """

    path: KeyPath
    names: dict[str, str]
    given: set[str] = set()
    wrong: set[str] = set()


def _label(config: SmtpConfig) -> str:
    return config.socket or config.host


class Reader(Struct):
    """Reads one configuration and collects what is wrong with it.

    `path` is the file's, for the record. A mistake is where it stands, and what to
    say about it. `origins` are the keys whose value is no default, by their canonical names:
    with the path of the key as the file spells it, or in words, such as `preset gmail`.
    """

    source: Source
    path: str | None = None
    mistakes: list[tuple[KeyPath, str]] = []
    origins: dict[KeyPath, str | KeyPath] = {}
    _scopes: dict[KeyPath, _Scope] = {}

    def read(self, table: Table) -> Config:
        """Return the configuration; of no use if there are `mistakes` afterwards."""
        config: Config = self._block(Config, table, ())
        for index, said in mistakable((each.name for each in config.providers), self.source.env):
            self._say(("providers", index, "name"), said)
        return msgspec.structs.replace(config, path=self.path)

    def _say(self, path: KeyPath, message: str) -> None:
        self.mistakes.append((path, message))

    def _block(self, block: type[msgspec.Struct], table: Table, path: KeyPath) -> Any:
        if block is Provider:
            table = self._with_variable(self._with_preset(table, path), path)
        scope = self._scope(block, table, path)
        values = {key.attribute: self._entry(key, table, scope) for key in keys_of(block)}
        if block is Provider:
            values["name"] = values["name"] or _label(values["config"])
        if block is SmtpConfig:
            self._fill_host(values, scope)
        finished = block(**values)
        for found in contradictions(finished):
            if scope.wrong.isdisjoint(found.between):
                self._say(self._spelt(path, found.where), found.message)
        return finished

    def _fill_host(self, values: dict[str, Any], scope: _Scope) -> None:
        """Let a server behind a Unix socket be this machine; otherwise a host has to be named."""
        if values["host"] or "host" in scope.given | scope.wrong:
            return
        if values["socket"] is None and "socket" not in scope.wrong:
            self._say((*scope.path, "host"), "is missing")
            scope.wrong.add("host")
        else:
            values["host"] = "localhost"

    def _with_preset(self, table: Table, path: KeyPath) -> Table:
        if "preset" not in table:
            return table
        from nexomailer_cli.config.preset_filling import with_preset

        filled, complaint = with_preset(table)
        if complaint:
            self._say((*path, "preset"), complaint)
        self._note_filled(table, filled, path, f"preset {table['preset']}")
        return filled

    def _note_filled(self, before: Table, after: Table, path: KeyPath, origin: str) -> None:
        """Keep in mind what stands in a table since it was filled in."""
        for name, value in after.items():
            if isinstance(value, dict):
                inner = before.get(name, {})
                self._note_filled(
                    inner if isinstance(inner, dict) else {}, value, (*path, name), origin
                )
            elif name not in before:
                self.origins[(*path, name)] = origin

    def _with_variable(self, table: Table, path: KeyPath) -> Table:
        table, variable, complaint = with_variable(table, self.source.env)
        place = (*path, "config", "auth", "pass")
        if variable:
            self.origins[place] = f"${variable}"
        if complaint:
            self._say(place, complaint)
        return table

    def _scope(self, block: type[msgspec.Struct], table: Table, path: KeyPath) -> _Scope:
        keys = keys_of(block)
        scope = _Scope(path, {key.attribute: key.name for key in keys})
        attributes = {spelling: key.attribute for key in keys for spelling in key.spellings}
        for name in table:
            if name not in attributes:
                self._unknown(name, block, scope)
            elif (attribute := attributes[name]) in scope.given:
                self._say((*path, name), f'is given twice, also as "{scope.names[attribute]}"')
            else:
                scope.given.add(attribute)
                scope.names[attribute] = name
        self._scopes[path] = scope
        return scope

    def _unknown(self, name: str, block: type[msgspec.Struct], scope: _Scope) -> None:
        from nexomailer_cli.config.words import unknown_key

        message, meant = unknown_key(name, block)
        self._say((*scope.path, name), message)
        scope.wrong.add(meant)

    def _spelt(self, path: KeyPath, where: tuple[str | int, ...]) -> KeyPath:
        """Turn a path of attributes into one of names as the file has them."""
        for step in where:
            scope = self._scopes.get(path)
            name = scope.names.get(step, step) if scope and isinstance(step, str) else step
            path = (*path, name)
        return path

    def _entry(self, key: Key, table: Table, scope: _Scope) -> Any:
        name = scope.names[key.attribute]
        if key.attribute in scope.given:
            place = (*scope.path, name)
            if not (key.block or key.element):
                self.origins[(*scope.path, key.name)] = self.origins.get(place, place)
            before = len(self.mistakes)
            value = self._value(key, table[name], (*scope.path, name))
            if len(self.mistakes) > before:
                scope.wrong.add(key.attribute)
            return value
        if key.is_required and not key.has("filled") and key.attribute not in scope.wrong:
            self._say((*scope.path, name), "is missing")
            scope.wrong.add(key.attribute)
        return stand_in(key)

    def _value(self, key: Key, value: Any, path: KeyPath) -> Any:
        if key.block:
            if self._is(dict, value, path):
                return self._block(key.block, value, path)
            return stand_in(key)
        if get_origin(key.kind) in (tuple, dict):
            return self._several(key, value, path)
        try:
            return read_value(key, value, self.source)
        except ValueError as error:
            self._say(path, str(error))
            return stand_in(key)

    def _several(self, key: Key, value: Any, path: KeyPath) -> Any:
        if key.element:
            return self._list(key.element, value, path)
        return self._text_list(value, path) if key.is_list_of_texts else self._texts(value, path)

    def _list(self, block: type[msgspec.Struct], value: Any, path: KeyPath) -> tuple[Any, ...]:
        if isinstance(value, dict):
            self._say(path, f"is a list: write [[{path[-1]}]], with two brackets")
            return ()
        if not self._is(list, value, path):
            return ()
        items = enumerate(value)
        return tuple(self._item(block, item, (*path, number)) for number, item in items)

    def _item(self, block: type[msgspec.Struct], item: Any, path: KeyPath) -> Any:
        if self._is(dict, item, path):
            return self._block(block, item, path)
        return stand_in_for(block)

    def _texts(self, value: Any, path: KeyPath) -> dict[str, str]:
        texts: dict[str, str] = {}
        if not self._is(dict, value, path):
            return texts
        for name, text in value.items():
            try:
                texts[name] = read_text(text, self.source)
            except ValueError as error:
                self._say((*path, name), str(error))
        return texts

    def _text_list(self, value: Any, path: KeyPath) -> tuple[str, ...]:
        texts: list[str] = []
        if not self._is(list, value, path):
            return ()
        for number, text in enumerate(value):
            try:
                texts.append(read_text(text, self.source))
            except ValueError as error:
                self._say((*path, number), str(error))
        return tuple(texts)

    def _is(self, wanted: type[dict[str, Any] | list[Any]], value: Any, path: KeyPath) -> bool:
        if isinstance(value, wanted):
            return True
        from nexomailer_cli.config.words import kind_of

        self._say(path, f"expected {kind_of(wanted())}, got {kind_of(value)}")
        return False
