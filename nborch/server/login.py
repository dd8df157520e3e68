"""Coming in: the address with the token, and the form for who has it not at hand."""

import re
from typing import Any

from nborch.server.base import PageHandler
from nborch.server.pages import login_page
from nborch.server.problems import Problem
from nborch.server.security import Gate

__all__ = ["ROUTES", "Login", "Logout"]

#: A place below the base of all addresses: no other site, and no way up.
_PLACE = re.compile(r"(?!/)(?!.*//)(?!.*\.\.)[\w%.~/-]*", re.ASCII)


class Login(PageHandler, Gate):
    """Lets people in: by ``login?token=...``, or by what they type.

    What it redirects to is below its own address, whatever is asked for.
    """

    is_open = is_for_all = True

    async def get(self) -> None:
        """Take the token of the address for a cookie, or show the form."""
        keys, token = self.guard.keys, self.get_query_argument("token", None)
        if token is None:
            self.answer_page(login_page(self, ""))
        elif (only_looks := keys.is_looking_token(token)) or keys.is_token(token):
            self.let_in(only_looks=only_looks)
            self.redirect(self.site.base_url + self._next(), status=303)
        else:
            why = "That token is not the one of this server, or not any more."
            self.answer_page(login_page(self, why), 401)

    async def post(self) -> None:
        """Let in who sends the token or the password: ``{"secret": ...}``."""
        secret = _secret(self.read_json())
        keys = self.guard.keys
        if not keys.may_try():
            raise Problem(
                429, "too-many-attempts", "That was tried too often. Wait a little."
            )
        only_looks = keys.is_looking_token(secret)
        if not only_looks and not keys.opens(secret):
            raise Problem(401, "unauthenticated", "That is not right. Try again.")
        self.let_in(only_looks=only_looks)
        self.answer({"next": self.site.base_url + self._next()})

    def _check_page(self) -> None:
        """Ask for no token of a page: it is no change in anybody's name."""

    def _next(self) -> str:
        place = self.get_query_argument("next", "")
        return place if _PLACE.fullmatch(place) else ""


class Logout(PageHandler, Gate):
    """Lets people out."""

    is_for_all = True

    async def post(self) -> None:
        """End what this browser was let in for."""
        self.let_out()
        self.answer({"next": f"{self.site.base_url}login"})


def _secret(body: Any) -> str:
    secret = body.get("secret") if isinstance(body, dict) else None
    if not isinstance(secret, str) or len(body) != 1:
        raise Problem(422, "invalid-request", 'The body must be {"secret": TEXT}.')
    return secret


ROUTES = [("/login", Login), ("/logout", Logout)]
