#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A user at a terminal: drives an interactive shell through its job control
and says what happened, the same on every run.

    pty_jobs.py SHELL-COMMAND ...
"""
import os
import pty
import re
import select
import signal
import sys
import time

LIMIT = 60


class Terminal:
    def __init__(self, command):
        self.seen = ''
        self.pid, self.fd = pty.fork()
        if not self.pid:
            for key in signal.SIGINT, signal.SIGQUIT:  # as at a terminal
                signal.signal(key, signal.SIG_DFL)
            os.environ.update(PS1='', PS2='', TERM='dumb', HISTFILE='')
            os.execvp(command[0], command)

    def read(self, seconds):
        if select.select([self.fd], [], [], seconds)[0]:
            try:
                data = os.read(self.fd, 4096)
            except OSError:
                data = b''
            self.seen += data.decode(errors='replace').replace('\r', '')
            return bool(data)
        return True

    def type(self, text):
        os.write(self.fd, text.encode())

    def expect(self, pattern, title, again=''):
        """Waits until the terminal shows the pattern; forgets it then. A key
        that sends a signal throws away what was typed behind it: `again` is
        typed again."""
        until = time.monotonic() + LIMIT
        typed = time.monotonic()
        while not (m := re.search(pattern, self.seen, re.M)):
            if again and time.monotonic() > typed + 3:
                typed = time.monotonic()
                self.type(again)
            if time.monotonic() > until or not self.read(1):
                print(f'{title}: not seen: {pattern!r} in {self.seen!r}')
                sys.exit(1)
        self.seen = self.seen[m.end():]
        print(f'{title}: ok')

    def command(self, text, pattern, title):
        self.type(text + '\n')
        self.expect(pattern, title, text + '\n' if 'status' in title else '')


def main():
    t = Terminal(sys.argv[1:])
    t.command('stty -echo; echo rea""dy', r'^ready$', 'started')
    t.command('sh -c "echo be\\"\\"gun; exec cat"', r'^begun$',
              'in the foreground')
    t.command('line', r'^line$', 'cat answers')
    t.type('\x1a')
    t.command('', r'(?i)(stopped|suspended)', 'Ctrl-Z')
    t.command('jobs; echo e""nd', r'(?i)(stopped|suspended).*cat(.|\n)*^end$',
              'jobs')
    t.command('fg', r'cat', 'fg')
    time.sleep(0.5)  # it is said before the terminal is handed over
    t.command('again', r'^again$', 'cat goes on')
    t.type('\x03')
    t.command('echo s""tatus $?', r'^status 130$', 'Ctrl-C and its status')
    t.command('sleep 100 & echo b""g', r'^bg$', 'in the background')
    time.sleep(0.5)  # the shell's child takes the default action first
    t.command('kill %1; wait %1; echo w""ait $?', r'^wait 143$', 'kill %1')
    t.command('sleep 0.2 | cat | cat; echo p""ipe $?', r'^pipe 0$', 'pipeline')
    t.command('sh -c "kill -STOP \\$\\$; exit 7"',
              r'(?i)(stopped|suspended)', 'stops itself')
    t.command('bg; wait; echo d""one', r'^done$', 'bg')
    t.command('(sleep 100 | sleep 100); echo sub', '', 'a subshell')
    time.sleep(0.3)
    t.type('\x1a')
    t.command('', r'(?i)(stopped|suspended)', 'Ctrl-Z of a pipeline')
    t.command('kill -9 %%; wait; echo g""one', r'^gone$', 'kill -9 of it')
    for _ in range(2):  # some shells ask again because of stopped jobs
        try:
            t.type('exit 5\n')
        except OSError:
            pass
        time.sleep(0.3)
    while t.read(1):
        pass
    print('exit', os.waitstatus_to_exitcode(os.waitpid(t.pid, 0)[1]))


main()
