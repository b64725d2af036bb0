# SPDX-License-Identifier: MIT
"""What the suites share: TAP, running things, looking at processes."""
import os
import subprocess
import sys
import time

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), '../..'))
FW = os.path.join(TOP, 'build/faultwise')
PROGRAMS = os.path.join(TOP, 'build/tests/programs/prog-')
SCALE = int(os.environ.get('FW_SCALE', '1'))


class Tap:
    """Prints results as they come; exits with the verdict."""

    def __init__(self):
        self.number = self.failed = 0

    def ok(self, good, name, *why, rows=''):
        """`rows`: those of the specification that this proves."""
        self.number += 1
        self.failed += not good
        proves = f' # rows {rows}' if rows else ''
        print(f"{'' if good else 'not '}ok {self.number} - {name}{proves}")
        for text in why if not good else ():
            for line in str(text).splitlines()[:20]:
                print(f'# {line}')
        sys.stdout.flush()
        return good

    def skip(self, name, why):
        self.number += 1
        print(f'ok {self.number} - {name} # SKIP {why}', flush=True)

    def note(self, text):
        print(f'# {text}', flush=True)

    def done(self):
        print(f'1..{self.number}')
        sys.exit(1 if self.failed else 0)


class Result:
    def __init__(self, status, out, err, seconds):
        self.status, self.out, self.err = status, out, err
        self.seconds = seconds


def need_faultwise():
    """Ends the suite with status 77 when there is no faultwise to test."""
    if not os.access(FW, os.X_OK):
        print('build/faultwise is not built')
        sys.exit(77)


def run(command, limit=60, **options):
    """Runs a command in a session of its own; all of it ends at `limit`."""
    start = time.monotonic()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             start_new_session=True, **options)
    try:
        out, err = child.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        end(family(child.pid) | {child.pid})
        out, err = child.communicate()
        err += f'\n(ended after {limit} s)'.encode()
    return Result(child.returncode, out, err, time.monotonic() - start)


def processes():
    """{pid: (parent, state, name)} of all processes but zombies."""
    found = {}
    for entry in os.listdir('/proc'):
        if not entry.isdigit():
            continue
        try:
            with open(f'/proc/{entry}/stat') as f:
                head, tail = f.read().rsplit(')', 1)
        except OSError:
            continue
        state, parent = tail.split()[:2]
        if state not in 'ZX':
            found[int(entry)] = (int(parent), state, head.split('(', 1)[1])
    return found


def family(pid):
    """The living descendants of a process."""
    table = processes()
    below, grown = {pid}, True
    while grown:
        more = {p for p, row in table.items() if row[0] in below} - below
        below |= more
        grown = bool(more)
    return below - {pid}


def end(pids):
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass


def wait_until(condition, seconds=5.0, step=0.01):
    """Whether the condition came true in time."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(step)
    return True
