"""Cells of a CSV trace by the names of their columns, each with an error that says what was found and where."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence

from headway.errors import SpecError
from headway.wire.traces.lines import Lines

__all__ = ["Table", "columns_of"]


def columns_of(line: str) -> tuple[str, ...]:
    """The names in a header, as they are compared: without case and blanks at their ends."""
    return tuple(each.strip().strip('"').strip().casefold() for each in line.split(","))


class Table:
    """The rows of a CSV file with a header. Columns that nobody asks for are passed over."""

    def __init__(self, lines: Lines, wanted: Sequence[str]) -> None:
        self._lines, self._wanted = lines, wanted

    def rows(self) -> Iterator[Row]:
        """Raises SpecError at the first that has not as many cells as the header."""
        reader = csv.reader(self._lines)
        try:
            names = columns_of(",".join(next(reader, [])))
            self._check(names)
            places = {name: at for at, name in enumerate(names)}
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(names):
                    message = f"found {len(cells)} cells, but the header names {len(names)} columns"
                    raise self._lines.fault(message, "remove the line, or fetch the file again")
                yield Row(self._lines, places, cells)
        except csv.Error as error:
            raise self._lines.fault(f"not CSV: {error}", "fetch the file again") from error

    def _check(self, names: tuple[str, ...]) -> None:
        missing = [each for each in self._wanted if each.casefold() not in names]
        if missing:
            raise self._lines.fault(
                f"the header has no column {missing[0]}", f"its columns are to be: {', '.join(self._wanted)}"
            )


class Row:
    """One line. A cell is asked for by its column's name in lower case."""

    __slots__ = ("_cells", "_lines", "_places")

    def __init__(self, lines: Lines, places: dict[str, int], cells: list[str]) -> None:
        self._lines, self._places, self._cells = lines, places, cells

    @property
    def line(self) -> int:
        return self._lines.number

    def text(self, column: str) -> str:
        """Empty where there is no such column."""
        at = self._places.get(column)
        return self._cells[at].strip() if at is not None else ""

    def count(self, column: str) -> int:
        """A whole number from 0 on; tables that went through a spreadsheet or pandas write 374.0."""
        text = self.text(column)
        try:
            number = int(text) if text.isdigit() else float(text)
        except ValueError:
            raise self.fault(column, "a whole number") from None
        if not (0 <= number < 2**53 and number == int(number)):  # nan and inf are neither
            raise self.fault(column, "a whole number from 0 on")
        return int(number)

    def number(self, column: str) -> float:
        """Any number but inf and nan."""
        try:
            number = float(self.text(column))
        except ValueError:
            raise self.fault(column, "a number") from None
        if not math.isfinite(number):
            raise self.fault(column, "a number")
        return number

    def fault(self, column: str, wanted: str) -> SpecError:
        """Of one cell."""
        shown = self.text(column)[:40]
        found = f"found {shown!r} in the column {column}"
        return self._lines.fault(found, f"it is to be {wanted}: mend or remove the line")
