"""Problems: what a request is refused with (RFC 9457), by our errors."""

from typing import Any

from tornado.web import HTTPError

from nborch.control.faults import fault_of

__all__ = ["Problem", "problem_of"]


class Problem(HTTPError):
    """A refusal in words, with a name that stays the same from version to version.

    >>> Problem(404, "not-found", "No run is called 'x'.").told()["type"]
    'urn:nborch:not-found'

    Parameters
    ----------
    slug
        Its name, by which programs know it.
    detail
        One or two sentences for people.
    more
        Further members of the answer.
    """

    def __init__(self, status: int, slug: str, detail: str, **more: Any) -> None:
        super().__init__(status)
        self.slug = slug
        self.detail = detail
        self.more = more

    def __str__(self) -> str:
        return f"{self.status_code} {self.slug}: {self.detail}"

    def told(self) -> dict[str, Any]:
        """Return what is answered, as JSON values."""
        return {
            "type": f"urn:nborch:{self.slug}",
            "title": self.slug.replace("-", " ").capitalize(),
            "status": self.status_code,
            "detail": self.detail,
            **self.more,
        }


def problem_of(error: BaseException) -> Problem | None:
    """Return what an error of ours is answered with; None if it is a fault.

    >>> from nborch.exceptions import NotFound
    >>> problem_of(NotFound("No run is called 'x'.")).status_code
    404
    """
    fault = fault_of(error)
    if fault is None:
        return None
    return Problem(fault.status, fault.slug, str(error), **fault.more)
