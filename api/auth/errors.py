"""Errors of signing in; each has a sentence for who tries.

SignInError
├── UsedAlready              what would sign in has done so before
├── NotBegun                 this browser began no sign-in that this could be the end of, or too long ago
├── NotConfirmed             the identity provider did not say who it is, or not so that it can be believed
│   ├── NotVerified          the provider vouches for the person, not for the mailbox
│   └── UnknownKey           a token names a key that the provider did not have when it was last asked
├── NoMember                 nobody of this mailbox is a member
└── ProviderAway             the identity provider does not answer as it should
"""


class SignInError(Exception):
    """Base of this package's errors. The sentence is for who tries; `reason` is for the log."""

    sentence = "You could not be signed in."
    status = 403

    def __init__(self, sentence: str | None = None, *, reason: str = "") -> None:
        super().__init__(reason or sentence or self.sentence)
        self.sentence = sentence or self.sentence


class UsedAlready(SignInError):
    """What would sign in has done so before."""

    sentence = "This has signed somebody in already, and does so once. Begin anew."


class NotBegun(SignInError):
    """The browser began no such sign-in, or too long ago."""

    sentence = "This sign-in was not begun in this browser, or took longer than ten minutes. Begin anew."


class NotConfirmed(SignInError):
    """The identity provider did not say who it is, or not so that it can be believed."""

    sentence = "Who you are could not be confirmed. Begin anew; what was wrong is in the server's log."


class NotVerified(NotConfirmed):
    """The provider vouches for the person, not for the mailbox."""

    sentence = "Your identity provider has not verified your e-mail address; have it verified there first."


class UnknownKey(NotConfirmed):
    """A token names a key that the provider did not have when it was last asked."""


class NoMember(SignInError):
    """Nobody of this mailbox is a member."""

    sentence = "You are known, but you are no member here. Ask an admin of your workspace to invite you."


class ProviderAway(SignInError):
    """The identity provider does not answer as it should."""

    sentence = "The identity provider does not answer as it should; try again soon."
    status = 503
