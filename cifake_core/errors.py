"""Everything that can go wrong for a user, each message one plain sentence: what happened, the value, what to do next.

CifakeError
├── BadInput      what the user gave cannot be used: a file, a folder, a setting, a name
├── NotFound      no image set, run, generator or job of that name
├── Conflict      the name is taken by something else
├── Refused       the request is clear but would mislead: one label only, too few images, a sealed split
├── Damaged       an artifact does not match its recorded checksum
├── DownloadFailed
├── OutOfMemory   the device's memory is used up
└── Cancelled     the user stopped it; not a failure

Only pages and the command line catch CifakeError.
"""


class CifakeError(Exception):
    """Base of all errors whose text is meant for the user."""


class BadInput(CifakeError):
    pass


class NotFound(CifakeError):
    pass


class Conflict(CifakeError):
    pass


class Refused(CifakeError):
    pass


class Damaged(CifakeError):
    pass


class DownloadFailed(CifakeError):
    pass


class OutOfMemory(CifakeError):
    pass


class Cancelled(CifakeError):
    pass
