#! /bin/sh -e
# SPDX-License-Identifier: MIT
echo "$0" "$@"
./hello.py a "b c"
