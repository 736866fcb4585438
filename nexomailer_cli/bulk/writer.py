"""A row's mail: the same octets at every attempt, whichever process writes it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from nexomailer_cli.bulk.identity import local_part
from nexomailer_cli.errors import InputError, MessageError

if TYPE_CHECKING:
    from datetime import datetime

    from nexomailer_cli.bulk.job import Job
    from nexomailer_cli.message.letter import Letter, Record
    from nexomailer_cli.smtp.envelope import Mail


class Writer:
    """Writes a run's message for one row after the other.

    Message-IDs follow from `secret`, which nobody else knows, and `domain`.
    """

    def __init__(self, letter: Letter, secret: str, domain: str) -> None:
        self._letter = letter
        self._secret = secret
        self._domain = domain

    def mail(self, row: Record, key: str, began: int) -> Mail:
        """Return a row's mail; `began` is the second of its first attempt.

        Raises MessageError.
        """
        message_id = f"<{local_part(self._secret, key)}@{self._domain}>"
        try:
            return self._letter.mail(row, message_id=message_id, date=_moment(began))
        except InputError as error:  # a file that has gone since it was looked at
            raise MessageError(str(error), hint=error.hint) from error

    def write(self, job: Job, now: int) -> Mail:
        """Return the mail of a job, which begins now if it has not begun before."""
        job.began = job.began or now
        return self.mail(job.row, job.key, job.began)


@lru_cache(maxsize=64)
def _moment(began: int) -> datetime:
    from datetime import datetime

    return datetime.fromtimestamp(began).astimezone()
