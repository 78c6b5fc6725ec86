"""A Channel Access client for tests, of one IOC at a time."""

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import numpy as np
import pytest
from caproto import ErrorResponseReceived
from caproto.sync.client import write
from caproto.threading.client import Context

LATENCY = 0.06  # s, what Channel Access and the machine may add
_TRIES = 10


class Client:
    """Reads, writes and watches the PVs of one IOC."""

    def __init__(self, ioc):
        self.ioc = ioc
        with ioc.environment():
            self._context = Context()
        self._pvs, self._kept = {}, []
        self._background = ThreadPoolExecutor(4)

    def pv(self, name):
        if name not in self._pvs:
            with self.ioc.environment():
                (pv,) = self._context.get_pvs(self.ioc.prefix + name)
                pv.wait_for_connection(timeout=5)
            self._pvs[name] = pv
        return self._pvs[name]

    def array(self, name):
        return self.pv(name).read(timeout=5).data

    def get(self, name):
        return self.array(name)[0]

    def text(self, name):
        return bytes(self.array(name)).decode()

    def limits(self, name):
        metadata = self.pv(name).read(data_type="control").metadata
        return metadata.lower_ctrl_limit, metadata.upper_ctrl_limit

    def put(self, name, value, timeout=20):
        """Write and wait for the completion."""
        data = value.encode() if isinstance(value, str) else value
        self.pv(name).write(data, wait=True, timeout=timeout)

    def quickest(self, name, value, back, expected):
        """Seconds from a write to its completion, begun at `back`.

        The least of a few: of all until one is within `LATENCY` of `expected`, as others may use
        the machine.
        """
        taken = []
        while len(taken) < _TRIES and min(taken, default=np.inf) > expected + LATENCY:
            self.put(name, back)
            start = time.perf_counter()
            self.put(name, value)
            taken.append(time.perf_counter() - start)
        return min(taken)

    def start(self, name, value):
        """Write; the future that comes back waits for the completion."""
        self.pv(name)
        return self._background.submit(self.put, name, value)

    def refusal(self, name, value):
        """The server's words on a write that it must refuse."""
        data = value.encode() if isinstance(value, str) else value
        with self.ioc.environment(), pytest.raises(ErrorResponseReceived) as caught:
            write(self.ioc.prefix + name, data, notify=True, timeout=5, repeater=False)
        return str(caught.value)

    def watch(self, name):
        """A list of values that grows with every monitor from now on."""
        seen = []

        def note(subscription, answer):
            seen.append(answer.data[0])

        subscription = self.pv(name).subscribe()
        subscription.add_callback(note)
        self._kept.append((subscription, note))  # caproto holds callbacks weakly
        self.until(lambda: seen)
        return seen

    def until(self, condition, timeout=10):
        """Poll `condition` until it holds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true in time"
            time.sleep(0.005)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._background.shutdown()
        # in the background: caproto waits for its search thread, which may sleep for seconds
        Thread(target=self._context.disconnect, daemon=True).start()
