"""Named places in the work at which a test ends the process, to prove what a crash leaves behind.

`faults.point(name)` does nothing. A test replaces `point` before the work begins; the program itself never does, and
reads no switch for it. POINTS lists every place, so that a test can go through all of them and miss none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

POINTS: Final = {
    "poll.synced": "the wanted feeds are in the store, none is claimed",
    "poll.claimed": "the due feeds are leased",
    "poll.renewed": "the leases of what is in hand run anew, nothing else is written",
    "poll.fetched": "a group of answers is there, not parsed",
    "poll.parsed": "the same, parsed",
    "poll.poison": "the body of a poison feed is kept, its state is not",
    "poll.known": "what the store knows of a portion was asked",
    "poll.matched": "a portion is matched, its stories are not known",
    "poll.clustered": "its stories are known, no batch is made",
    "poll.saving": "batches are made, nothing of them is written",
    "poll.saved": "batches are written, the time of the last hit is not",
    "poll.noted": "both are written, other groups may follow",
    "poll.ending": "all groups are written, leases are not given back",
    "poll.released": "leases are given back, nothing was said to the caller",
    "read.parsed": "in a child: a document is parsed",
    "read.extracted": "in a child: its articles are there, not handed over",
    "store.begun": "a transaction has begun",
    "store.indexed": "in a transaction: the index has the articles, the table has not",
    "store.inserted": "in a transaction: new articles are in, revisions and hits are not",
    "store.revised": "in a transaction: revisions are in, hits are not",
    "store.hits": "in a transaction: hits are in, states of feeds are not",
    "store.states": "in a transaction: everything of a save is in",
    "store.ending": "a transaction is about to be committed",
    "store.committed": "a transaction is committed, its caller does not know",
    "mail.composed": "a digest is composed, nothing of it is written",
    "mail.digest": "in a transaction: the digest is in, its mails are not",
    "mail.queued": "in a transaction: its mails are in, what it tells is not",
    "mail.frozen": "the digest is frozen, nothing is sent",
    "mail.sending": "a mail is taken from the journal, nothing is written",
    "mail.carried": "the channel has answered, the journal does not say so",
    "mail.moved": "the journal says so, other mails may follow",
    "file.drafted": "the .eml is written under another name, the journal says queued",
    "file.committed": "the journal says committing, the .eml has not its name yet",
    "file.named": "the .eml has its name, the channel has not answered",
    "smtp.body": "the body is at the relay, the journal says queued",
    "smtp.committed": "the journal says committing, the final dot is not sent",
    "smtp.dotted": "the final dot is sent, its answer is not read",
    "smtp.answered": "the answer is read, the channel has not answered",
}
"""Name -> what is done by then and what is not."""


def _pass(_name: str) -> None:
    """Go on."""


point: Callable[[str], None] = _pass
"""Called with a name of POINTS at that place."""
