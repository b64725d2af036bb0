#!/usr/bin/env -S /usr/bin/python3 -u
# SPDX-License-Identifier: MIT
import sys
print('hello', sys.argv[1:])
