"""The last step: channels that carry one message, and the journal's decision about what follows a try."""

from monitor.deliver.email import SmtpChannel
from monitor.deliver.file import FileChannel
from monitor.deliver.journal import after
from monitor.deliver.mime import to_mime

__all__ = ["FileChannel", "SmtpChannel", "after", "to_mime"]
