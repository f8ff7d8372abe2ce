"""What goes wrong on purpose: at which requests, how often, and how."""

import re
from dataclasses import dataclass, field


@dataclass
class Fault:
    """The next `times` requests that fit fail, one way or another.

    status with headers and said: that answer instead of the work; lost: the work is done and the connection closed
    without an answer; cut: the connection is closed after so many bytes of the body; reset: the same, by force; corrupt:
    one byte of what is sent or stored is another one; silent: so many seconds pass before the work.
    """

    method: str
    pattern: str
    times: int = 1
    status: int | None = None
    headers: dict = field(default_factory=dict)
    said: str = ""
    lost: bool = False
    cut: int | None = None
    reset: bool = False
    corrupt: bool = False
    silent: float = 0

    def fits(self, method, path):
        return self.times > 0 and method == self.method and re.search(self.pattern, path)


class Faults(list):
    def add(self, method, pattern, **how):
        self.append(Fault(method, pattern, **how))

    def take(self, method, path):
        """The fault of this request, which is then used up by one; None when all is well."""
        for fault in self:
            if fault.fits(method, path):
                fault.times -= 1
                return fault
        return None


def damaged(data):
    return data[:-1] + bytes([data[-1] ^ 1])
