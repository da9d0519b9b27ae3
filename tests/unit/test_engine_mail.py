import smtplib
from unittest.mock import Mock

import pytest

from engine.mail import make_mailer
from engine.webhooks import DeliveryError


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("smtp://me:secret@mail.example", False),
        ("smtp://me:secret@localhost", True),
        ("smtp://me:secret@[::1]:2525", True),
    ],
)
def test_a_password_is_told_in_the_clear_to_this_machine_only(url: str, told: bool) -> None:
    plain = Mock(spec=smtplib.SMTP, sock=object())
    mailer = make_mailer(url)

    if told:
        mailer.check_secrecy(plain)
    else:
        with pytest.raises(DeliveryError, match="in the clear"):
            mailer.check_secrecy(plain)
